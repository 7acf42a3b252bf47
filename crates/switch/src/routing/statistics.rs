//! Statistics as they are asked for (taskrouter §13): the engine has the numbers.

use super::desk::Desk;
use super::live::Live;
use super::{RoutingAnswer, RoutingRefusal, STATISTICS_SCOPES_MAX, Statistics, StatisticsOrder};

impl Live {
    /// One answer for each scope.
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
            cumulative: order.cumulative.map(|span| self.engine.cumulative(desk.now, scope, channel, span)),
        };
        Ok(RoutingAnswer::Statistics(order.scopes.iter().copied().map(of).collect()))
    }
}
