//! Credentials: the names and passwords in a credential list (rest-voice §9).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Credential, CredentialListSid, DirectoryRow, Password};
use serde::Serialize;
use switch::{Command, DirectoryCommand};

use super::{change, delete as deleted, sid};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /SIP/CredentialLists/{CL}/Credentials.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let list: CredentialListSid = sid(&list)?;
    let paging = Paging::read(&parameters)?;
    api.store.credential_list(caller.sid(), list).await?.ok_or(Problem::NotFound)?;
    let page = paging.page(|sid| api.store.credential_seq(caller.sid(), list, sid)).await?;
    let rows = api.store.credentials(caller.sid(), list, page).await?;
    let path = format!("{}/SIP/CredentialLists/{list}/Credentials", account_path(caller.sid()));
    Ok(paging.answer("credentials", &path, &rows, |row| row.sid.to_string(), CredentialJson::of))
}

/// `POST /SIP/CredentialLists/{CL}/Credentials.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let list = sid(&list)?;
    let username = parameters.filled("Username").ok_or(Problem::Missing { code: FIELDS, name: "Username" })?;
    let right = username.chars().count() <= USERNAME_CHARACTERS_MAX && !username.contains(|c: char| c.is_control());
    if !right {
        return Err(Problem::Invalid { code: FIELDS, name: "Username", expected: "at most 32 characters" });
    }
    let command = DirectoryCommand::CreateCredential {
        account: caller.sid(),
        list,
        username: username.to_owned(),
        password: password(&parameters)?.ok_or(Problem::Missing { code: FIELDS, name: "Password" })?,
    };
    change(&api, command, StatusCode::CREATED, shown).await
}

/// `GET /SIP/CredentialLists/{CL}/Credentials/{CR}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list, credential)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.credential(caller.sid(), sid(&list)?, sid(&credential)?).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&CredentialJson::of(&row)))
}

/// `POST /SIP/CredentialLists/{CL}/Credentials/{CR}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list, credential)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::UpdateCredential {
        account: caller.sid(),
        list: sid(&list)?,
        sid: sid(&credential)?,
        password: password(&parameters)?,
    };
    change(&api, command, StatusCode::OK, shown).await
}

/// `DELETE /SIP/CredentialLists/{CL}/Credentials/{CR}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list, credential)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let command =
        DirectoryCommand::DeleteCredential { account: caller.sid(), list: sid(&list)?, sid: sid(&credential)? };
    deleted(&api, Command::Directory(command)).await
}

/// A password that keeps the rules: at least 12 characters, among them a digit, a capital and a small letter.
fn password(parameters: &Parameters) -> Result<Option<Password>, Problem> {
    let Some(text) = parameters.get("Password") else { return Ok(None) };
    let has = |is: fn(char) -> bool| text.contains(is);
    let long_enough = (PASSWORD_CHARACTERS_MIN..=PASSWORD_CHARACTERS_MAX).contains(&text.chars().count());
    let strong = long_enough && has(|c| c.is_ascii_digit()) && has(char::is_uppercase) && has(char::is_lowercase);
    if !strong {
        let expected = "at least 12 characters with a digit, an upper-case and a lower-case letter";
        return Err(Problem::Invalid { code: FIELDS, name: "Password", expected });
    }
    Ok(Some(Password(text.to_owned())))
}

const USERNAME_CHARACTERS_MAX: usize = 32;
const PASSWORD_CHARACTERS_MIN: usize = 12;
/// A bound of ours: what is longer is no password that anybody configures.
const PASSWORD_CHARACTERS_MAX: usize = 255;

/// What is wrong with a field of a credential.
const FIELDS: u32 = 21243;

fn shown(row: &DirectoryRow) -> Option<CredentialJson> {
    match row {
        DirectoryRow::Credential(row) => Some(CredentialJson::of(row)),
        _ => None,
    }
}

#[derive(Serialize)]
struct CredentialJson {
    sid: String,
    account_sid: String,
    credential_list_sid: String,
    username: String,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl CredentialJson {
    fn of(row: &Credential) -> Self {
        let list = format!("{}/SIP/CredentialLists/{}", account_path(row.account_sid), row.credential_list_sid);
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            credential_list_sid: row.credential_list_sid.to_string(),
            username: row.username.clone(),
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            uri: format!("{list}/Credentials/{}.json", row.sid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_keep_the_rules() {
        for (case, text, right) in [
            ("right", "Sesame0penNow", true),
            ("twelve characters", "Abcdefghij12", true),
            ("eleven", "Abcdefghi12", false),
            ("no digit", "SesameOpenNow", false),
            ("no capital", "sesame0pennow", false),
            ("no small letter", "SESAME0PENNOW", false),
            ("letters of another script count", "Пароль123456", true),
            ("too long", &format!("Aa1{}", "x".repeat(253)), false),
            ("empty", "", false),
        ] {
            let parameters = Parameters::of(&[("Password", text)]);
            let read = password(&parameters);
            assert_eq!(matches!(&read, Ok(Some(read)) if read.0 == text), right, "{case}");
            assert_eq!(matches!(&read, Err(Problem::Invalid { code: 21243, .. })), !right, "{case}");
        }
        assert_eq!(password(&Parameters::of(&[])), Ok(None));
    }
}
