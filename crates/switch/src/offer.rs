//! Calls that instructions have made to workers: which reservation each is for, and what it is to come to (taskrouter §7).
//!
//! ```text
//! carry out ─▶ worker's phone rings ─ answered ─▶ conference: both into the room ─▶ accepted ─ worker leaves ─▶ work over
//!                    │                            dequeue: brought together     ─▶ accepted ─ talk ends ────▶ completed
//!                    │                            call: its document            ─▶ accepted, if that was wanted
//!                    └─ not answered ─▶ timeout; not reached ─▶ canceled, with the code of the failure
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{ActivitySid, CallSid, ConferenceSid, ReservationSid, TaskSid};

use crate::entry::Entry;
use crate::new_call::Callee;

/// The call that an instruction has made.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) task: TaskSid,
    /// The worker's.
    pub(crate) call: CallSid,
    pub(crate) aim: Aim,
    /// The reservation is accepted: the worker has the task.
    pub(crate) accepted: bool,
}

/// What is to be done when the worker has answered.
#[derive(Debug, Clone)]
pub(crate) enum Aim {
    /// The two meet in a room.
    Meet(Box<Meeting>),
    /// The worker's own document, which is ours, takes the caller out of the queue.
    Dequeue,
    /// A document of the application's.
    Document {
        /// The reservation is accepted, too.
        accept: bool,
    },
}

/// A conference of a worker and a customer.
#[derive(Debug, Clone)]
pub(crate) struct Meeting {
    pub(crate) conference: ConferenceSid,
    pub(crate) customer: Customer,
    /// What the worker does afterwards.
    pub(crate) post_work: Option<ActivitySid>,
}

/// Where the customer is until the worker answers.
#[derive(Debug, Clone)]
pub(crate) enum Customer {
    /// In a queue.
    Waits { call: CallSid, entry: Entry },
    /// Nowhere: called in once the worker is there.
    ToCall { to: Callee, from: String, entry: Entry },
    /// In the room already: the task was handed on.
    There,
}

/// Where a customer is because of which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    pub(crate) conference: ConferenceSid,
    pub(crate) task: TaskSid,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    offers: BTreeMap<ReservationSid, Offer>,
    by_call: HashMap<CallSid, ReservationSid>,
    by_task: BTreeSet<(TaskSid, ReservationSid)>,
    /// Customers who are being called into the room of a worker.
    customers: HashMap<CallSid, Stay>,
    /// Those who are there.
    stays: HashMap<CallSid, Stay>,
}

impl Offers {
    pub(crate) fn insert(&mut self, reservation: ReservationSid, offer: Offer) {
        self.by_call.insert(offer.call, reservation);
        self.by_task.insert((offer.task, reservation));
        self.offers.insert(reservation, offer);
    }

    pub(crate) fn get(&self, reservation: ReservationSid) -> Option<&Offer> {
        self.offers.get(&reservation)
    }

    pub(crate) fn get_mut(&mut self, reservation: ReservationSid) -> Option<&mut Offer> {
        self.offers.get_mut(&reservation)
    }

    /// Whose worker that call is.
    pub(crate) fn of_call(&self, call: CallSid) -> Option<ReservationSid> {
        self.by_call.get(&call).copied()
    }

    /// Every one for that task.
    pub(crate) fn of_task(&self, task: TaskSid) -> Vec<ReservationSid> {
        let first = (task, ReservationSid::from_bits(0));
        self.by_task.range(first..).take_while(|(of, _)| *of == task).map(|(_, reservation)| *reservation).collect()
    }

    pub(crate) fn remove(&mut self, reservation: ReservationSid) -> Option<Offer> {
        let offer = self.offers.remove(&reservation)?;
        self.by_call.remove(&offer.call);
        self.by_task.remove(&(offer.task, reservation));
        Some(offer)
    }

    /// A customer is being called.
    pub(crate) fn calls_customer(&mut self, customer: CallSid, stay: Stay) {
        self.customers.insert(customer, stay);
    }

    /// The customer's call has been answered, or is over. Where it was to come to, if it was one of those.
    pub(crate) fn customer_called(&mut self, customer: CallSid) -> Option<Stay> {
        self.customers.remove(&customer)
    }

    /// The customer of a task is in its conference.
    pub(crate) fn customer_stays(&mut self, customer: CallSid, stay: Stay) {
        self.stays.insert(customer, stay);
    }

    /// A call has left a conference. The task whose customer it was there.
    pub(crate) fn customer_left(&mut self, customer: CallSid, conference: ConferenceSid) -> Option<TaskSid> {
        self.stays.get(&customer).filter(|stay| stay.conference == conference)?;
        self.stays.remove(&customer).map(|stay| stay.task)
    }

    /// All that lives.
    pub(crate) fn len(&self) -> usize {
        self.offers.len() + self.customers.len() + self.stays.len()
    }
}
