//! `mpsink admit`: brings held pushes in, by the running server.

use std::process::ExitCode;

use clap::Args;

use crate::cli::{Common, ask_running_server, say};

#[derive(Args)]
pub(super) struct Admit {
    #[command(flatten)]
    common: Common,
    /// The numbers of held pushes, as `/held` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
}

pub(super) fn run(command: &Admit) -> anyhow::Result<ExitCode> {
    let config = command.common.load()?;
    let mut code = ExitCode::SUCCESS;
    for id in &command.ids {
        let (status, answer) = ask_running_server(&config, &format!("/held/{id}/admit"))?;
        let text = |key: &str| answer.get(key).and_then(|value| value.as_str());
        if status == 200 {
            let outcome = text("outcome").unwrap_or("done");
            let delivery = answer.get("delivery").and_then(serde_json::Value::as_i64);
            let delivery =
                delivery.map_or(String::new(), |number| format!(" as delivery {number}"));
            say(&format!("{id}: {outcome}{delivery}"));
        } else {
            let detail = text("detail").unwrap_or("the server did not say why");
            say(&format!("{id}: not admitted: {detail}"));
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
