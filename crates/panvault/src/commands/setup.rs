//! From nothing to a vault that can be served: what is wanted is asked or read, judged, and made whole or not at all.

mod answers;
mod ask;
mod made;
mod make;
mod owner;
mod plan;
mod said;
mod shell;
mod unit;

use std::io::{IsTerminal, stdin};

use anyhow::ensure;

use crate::cli::Setup;
use crate::output;

use answers::Entrance;
use owner::Owner;
use plan::Plan;

/// Asks for what no flag says, on a terminal, and makes a vault with all that a first token needs.
pub(crate) fn run(args: &Setup) -> anyhow::Result<()> {
    let owner = Owner::find(args.user.as_deref())?;
    unit::judge_user(args.unit.as_deref(), &owner)?;
    let answers = if args.yes {
        answers::from_flags(args, &owner)?
    } else {
        ensure!(
            stdin().is_terminal(),
            "there is no terminal to ask on: give --yes with --data DIR, --mode test or live, --name NAME, and \
             --tls-certificate FILE --tls-key FILE or --behind-proxy (neither serves this machine only); what is left out \
             gets its default"
        );
        ask::answers(args, &owner)?
    };
    let plan = Plan::judge(args, answers, owner)?;
    if let Entrance::Tls { doubts, .. } = &plan.entrance {
        doubts.iter().for_each(output::note);
    }
    make::make(&plan, args.json)
}
