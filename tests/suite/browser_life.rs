//! The gateway's pages in a LAN browser while containers start and stop.

use serde_json::json;

use crate::browser::{browse, lan};

#[test]
fn browser_follows_containers_without_user_action() {
    let lab = lan("life", &["app"]);
    lab.start_container("steady", "flatnet-test/app");
    lab.start_container("app", "--label flatnet.hold=1 flatnet-test/app");
    lab.becomes(&["steady.flatnet.internal / steady:80 running", "app.flatnet.internal / app:80 running"]);
    browse(&lab.sandbox, "life", &json!({}));
}
