//! Statistics as they are asked for (taskrouter §13), and kept: the engine has the numbers.

use model::{StatisticsBucket, StatisticsScope, WorkspaceSid};
use taskrouter::{BucketRow, Scope};

use super::desk::Desk;
use super::live::Live;
use super::{
    RoutingAnswer, RoutingRefusal, STATISTICS_BUCKETS_MAX, STATISTICS_SCOPES_MAX, Statistics, StatisticsOrder,
    Workspaces,
};
use crate::effect::{Effect, Row};

impl Live {
    /// One answer for each scope, in order: as many as may be added up at once, and one at least.
    pub(super) fn statistics(&self, order: StatisticsOrder, desk: &Desk) -> Result<RoutingAnswer, RoutingRefusal> {
        if order.scopes.len() > STATISTICS_SCOPES_MAX {
            return Err(RoutingRefusal::Invalid(format!("Statistics of more than {STATISTICS_SCOPES_MAX} at once")));
        }
        let channel = match &order.channel {
            None => None,
            Some(named) => Some(self.find_channel(named).ok_or_else(|| {
                RoutingRefusal::Invalid("TaskChannel is not a task channel of this workspace".to_owned())
            })?),
        };
        let of = |scope| Statistics {
            real_time: order.real_time.then(|| self.engine.real_time(desk.now, scope, channel)),
            cumulative: (order.cumulative)
                .map(|span| self.engine.cumulative(desk.now, scope, channel, span, order.waits)),
        };
        let effort = |scope| order.cumulative.map_or(0, |span| self.engine.effort(scope, channel, span));
        let many = as_many(order.scopes.iter().copied().map(effort), STATISTICS_BUCKETS_MAX);
        Ok(RoutingAnswer::Statistics(order.scopes.iter().copied().take(many).map(of).collect()))
    }

    /// Keeps the figures that have changed: with what they count, so that a crash takes nothing from them.
    pub(super) fn save_statistics(&mut self, desk: &mut Desk) {
        while let Some(bucket) = self.engine.poll_bucket() {
            let row = bucket_row(self.row.sid, bucket);
            desk.effects.push(Effect::Save(Row::StatisticsBucket(Box::new(row))));
        }
    }
}

impl Workspaces {
    /// The process ends: figures that had no room in their turn are kept, too.
    pub(crate) fn farewell(&mut self, desk: &mut Desk) {
        for live in self.live.values_mut() {
            live.save_statistics(desk);
        }
    }
}

/// How many, from the first on, are no more work together than there may be; always one.
fn as_many(efforts: impl Iterator<Item = usize>, most: usize) -> usize {
    let sums = efforts.scan(0, |sum, effort| {
        *sum += effort;
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= most).count().max(1)
}

fn scope_to_engine(scope: StatisticsScope) -> Scope {
    match scope {
        StatisticsScope::Workspace(_) => Scope::Workspace,
        StatisticsScope::TaskQueue(sid) => Scope::Queue(sid),
        StatisticsScope::Workflow(sid) => Scope::Workflow(sid),
        StatisticsScope::Worker(sid) => Scope::Worker(sid),
    }
}

pub(super) fn bucket_to_engine(row: StatisticsBucket) -> BucketRow {
    BucketRow {
        scope: scope_to_engine(row.scope),
        channel: row.task_channel_sid,
        begins: row.begins,
        hour: row.hour,
        figures: row.figures,
    }
}

fn bucket_row(workspace_sid: WorkspaceSid, bucket: BucketRow) -> StatisticsBucket {
    let scope = match bucket.scope {
        Scope::Workspace => StatisticsScope::Workspace(workspace_sid),
        Scope::Queue(sid) => StatisticsScope::TaskQueue(sid),
        Scope::Workflow(sid) => StatisticsScope::Workflow(sid),
        Scope::Worker(sid) => StatisticsScope::Worker(sid),
    };
    StatisticsBucket {
        workspace_sid,
        scope,
        task_channel_sid: bucket.channel,
        begins: bucket.begins,
        hour: bucket.hour,
        figures: bucket.figures,
    }
}

#[cfg(test)]
mod tests {
    use super::as_many;

    #[test]
    fn no_more_is_added_up_than_fits_into_a_turn() {
        for (case, efforts, want) in [
            ("all", &[3, 3, 4][..], 3),
            ("the first two", &[3, 3, 5], 2),
            ("one at least", &[11, 1], 1),
            ("what is nothing", &[0, 0, 10, 0, 1], 4),
        ] {
            assert_eq!(as_many(efforts.iter().copied(), 10), want, "{case}");
        }
    }
}
