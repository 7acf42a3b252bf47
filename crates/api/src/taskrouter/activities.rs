//! Activities (taskrouter §2).

use axum::http::StatusCode;
use axum::response::Response;
use model::Activity;
use serde::Serialize;
use store::{ActivityFilter, ListOrder};
use switch::routing::WorkspaceOrder;

use super::list::{List, RowPlace};
use super::{FRIENDLY_NAME, Links, Scope, name, required_name, row, yes_or_no};
use crate::json;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Activities`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let filter = ActivityFilter {
        friendly_name: parameters.filled(FRIENDLY_NAME).map(str::to_owned),
        available: yes_or_no(&parameters, "Available")?,
    };
    let list = List::read(&parameters, ListOrder::default())?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.activity_seq(account, workspace, sid)).await?;
    let rows = store.activities(account, workspace, &filter, &page).await?;
    let url = scope.url(workspace, "/Activities");
    Ok(list.answer("activities", &url, &rows, |row| RowPlace::of(row.sid), |row| ActivityJson::of(&scope, row)))
}

/// `POST /Activities`
pub(crate) async fn create(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::CreateActivity {
        friendly_name: required_name(&parameters, FRIENDLY_NAME)?,
        // Whatever is not true is false (taskrouter §2).
        available: yes_or_no(&parameters, "Available").ok().flatten().unwrap_or(false),
    };
    let row = row!(scope.change(order).await?, Activity);
    Ok(json::answer(StatusCode::CREATED, &ActivityJson::of(&scope, &row)))
}

/// `GET /Activities/{WA}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let row = scope.api.store.activity(scope.account, scope.workspace()?, scope.sid("activity")?).await?;
    Ok(json::ok(&ActivityJson::of(&scope, &row.ok_or(Problem::NotFound)?)))
}

/// `POST /Activities/{WA}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::UpdateActivity {
        activity: scope.sid("activity")?,
        friendly_name: name(&parameters, FRIENDLY_NAME)?,
    };
    let row = row!(scope.change(order).await?, Activity);
    Ok(json::ok(&ActivityJson::of(&scope, &row)))
}

/// `DELETE /Activities/{WA}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::DeleteActivity(scope.sid("activity")?)).await
}

#[derive(Serialize)]
struct ActivityJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    friendly_name: String,
    available: bool,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl ActivityJson {
    fn of(scope: &Scope, row: &Activity) -> Self {
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            available: row.available,
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: scope.url(row.workspace_sid, format_args!("/Activities/{}", row.sid)),
            links: Links::from([("workspace", scope.url(row.workspace_sid, ""))]),
        }
    }
}
