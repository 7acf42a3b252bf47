//! Registrations: where phones are reached. A user's contacts are written all at once.

use model::{Registration, SipDomainSid, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{narrow, storable, text, text_if, time, word, word_if};
use crate::select::Select;
use crate::{Store, StoreError};

impl Store {
    /// All that are good at `now`, each user's in their order. Those that have expired meanwhile are forgotten.
    pub async fn registrations(&self, now: Timestamp) -> Result<Vec<Registration>, StoreError> {
        const EXPIRED: &str = "DELETE FROM registrations WHERE expires <= $1";
        sqlx::query(EXPIRED).bind(now.micros()).execute(&self.writer).await?;
        const EVERY: &str = "SELECT * FROM registrations ORDER BY domain_sid, username, place";
        Select::new(EVERY).all(&self.readers, decode).await
    }
}

/// Writes the contacts of one user over those that are stored.
pub(crate) async fn save(
    domain: SipDomainSid,
    user: &str,
    contacts: &[Registration],
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM registrations WHERE domain_sid = $1 AND username = $2";
    const ADD: &str = "INSERT INTO registrations (domain_sid, username, place, contact, local, remote, path, q, \
        call_id, cseq, user_agent, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let domain = domain.to_string();
    let user = storable(user, "registrations.username")?;
    sqlx::query(FORGET).bind(&domain).bind(user).execute(&mut *connection).await?;
    for (place, row) in (0_i64..).zip(contacts) {
        let path = row.path.join("\n");
        sqlx::query(ADD)
            .bind(&domain)
            .bind(user)
            .bind(place)
            .bind(storable(&row.contact, "registrations.contact")?)
            .bind(row.flow.map(|(local, _)| local.to_string()))
            .bind(row.flow.map(|(_, remote)| remote.to_string()))
            .bind(storable(&path, "registrations.path")?)
            .bind(i64::from(row.q))
            .bind(storable(&row.call_id, "registrations.call_id")?)
            .bind(i64::from(row.cseq))
            .bind(row.user_agent.as_deref().map(|name| storable(name, "registrations.user_agent")).transpose()?)
            .bind(row.expires.micros())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<Registration, StoreError> {
    Ok(Registration {
        domain_sid: word(row, "domain_sid")?,
        user: text(row, "username")?,
        contact: text(row, "contact")?,
        flow: word_if(row, "local")?.zip(word_if(row, "remote")?),
        path: text(row, "path")?.lines().map(str::to_owned).collect(),
        q: narrow(row, "q")?,
        call_id: text(row, "call_id")?,
        cseq: narrow(row, "cseq")?,
        user_agent: text_if(row, "user_agent")?,
        expires: time(row, "expires")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use crate::testing::open;

    const DOMAIN: SipDomainSid = SipDomainSid::from_bits(1);

    fn contact(user: &str, port: u16, expires: i64) -> Registration {
        Registration {
            domain_sid: DOMAIN,
            user: user.to_owned(),
            contact: format!("<sip:{user}@192.0.2.9:{port}>;+sip.instance=\"<urn:uuid:1>\""),
            flow: port.is_multiple_of(2).then(|| (([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 9], port).into())),
            path: (0..port % 3).map(|hop| format!("<sip:edge{hop}.test;lr>")).collect(),
            q: 500,
            call_id: "a".to_owned(),
            cseq: u32::MAX,
            user_agent: port.is_multiple_of(2).then(|| "phone/1".to_owned()),
            expires: Timestamp::from_micros(expires),
        }
    }

    #[tokio::test]
    async fn contacts_of_a_user_are_written_all_at_once_and_read_while_they_are_good() {
        let (_scratch, store) = open().await;
        let save = async |user: &str, contacts: Vec<Registration>| {
            store.commit(&[Row::Registrations(DOMAIN, user.to_owned(), contacts)]).await.expect("writes");
        };
        let read = async |now| store.registrations(Timestamp::from_micros(now)).await.expect("reads");
        save("ana", vec![contact("ana", 7, 20), contact("ana", 4, 10), contact("ana", 5, 30)]).await;
        save("ben", vec![contact("ben", 6, 20)]).await;
        save("ana", vec![contact("ana", 8, 20), contact("ana", 5, 30)]).await;
        let want = [contact("ana", 8, 20), contact("ana", 5, 30), contact("ben", 6, 20)];
        assert_eq!(read(19).await, want);
        assert_eq!(read(20).await, want[1..2]);
        assert_eq!(read(0).await, want[1..2], "what has expired is forgotten");
        save("ana", Vec::new()).await;
        assert_eq!(read(0).await, []);
    }
}
