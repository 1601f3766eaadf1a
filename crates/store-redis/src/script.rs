//! What the server does for us in one step each: scripts, in Lua.

use panvault_store::limits::{
    CVV_CLAIMS_MAX, CVV_KEY_COMPONENT_KEPT_SECONDS, CVV_KEY_COMPONENT_SECONDS, CVV_REQUEST_SECONDS,
};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};

use crate::limits::{CLOCK_BACK_MILLIS_MAX, ENDED_MAX, OWNERS_LOOKED_AT_MAX};

/// How an answer begins.
pub(crate) mod standing {
    pub(crate) const OURS: u8 = 0;
    pub(crate) const OTHER_SERVER: u8 = 1;
    pub(crate) const LATE: u8 = 2;
    pub(crate) const NOT_EMPTY: u8 = 3;
    pub(crate) const RESTORED: u8 = 4;
    pub(crate) const OTHER_VAULT: u8 = 5;
    pub(crate) const SET_BACK: u8 = 6;
}

/// The last byte of an owner whose CVVs browsers bring.
pub(crate) const BROWSER: u8 = 1;

/// Everything that is asked of a server.
pub(crate) struct Scripts {
    /// Whose server it is, and what these owners hold.
    pub(crate) look: Script,
    /// Counts off what is over.
    pub(crate) sweep: Script,
    /// The same, refused by a server whose memory is full.
    pub(crate) admit: Script,
    pub(crate) hold: Script,
    pub(crate) clear: Script,
    pub(crate) clear_now: Script,
    pub(crate) claim: Script,
    pub(crate) put_back: Script,
    pub(crate) discard: Script,
    pub(crate) read: Script,
    pub(crate) key_current: Script,
    pub(crate) key_component: Script,
}

const TAKE: &str = include_str!("script/take.lua");
const FENCE: &str = include_str!("script/fence.lua");
const COMMON: &str = include_str!("script/common.lua");

impl Scripts {
    pub(crate) fn new() -> Self {
        // What ends a CVV needs no room, and what remembers that it has ended little, like a component: a full server does it all the same. So it does with a
        // CVV, of which it was asked before the commit of its card whether there is room: that commit cannot be taken back.
        let even_full = |body| script(" flags=allow-oom", FENCE, body);
        Self {
            look: script(" flags=allow-oom", TAKE, include_str!("script/look.lua")),
            sweep: even_full(include_str!("script/look.lua")),
            admit: script("", FENCE, include_str!("script/look.lua")),
            hold: even_full(include_str!("script/hold.lua")),
            clear: even_full(include_str!("script/clear.lua")),
            clear_now: even_full(include_str!("script/clear_now.lua")),
            claim: even_full(include_str!("script/claim.lua")),
            put_back: even_full(include_str!("script/put_back.lua")),
            discard: even_full(include_str!("script/discard.lua")),
            read: even_full(include_str!("script/read.lua")),
            key_current: even_full(include_str!("script/key_current.lua")),
            key_component: even_full(include_str!("script/key_component.lua")),
        }
    }

    /// Sends them, so that each request is one that the server knows.
    pub(crate) async fn load(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let Self {
            look,
            sweep,
            admit,
            hold,
            clear,
            clear_now,
            claim,
            put_back,
            discard,
            read,
            key_current,
            key_component,
        } = self;
        let all = [
            look,
            sweep,
            admit,
            hold,
            clear,
            clear_now,
            claim,
            put_back,
            discard,
            read,
            key_current,
            key_component,
        ];
        for script in all {
            script.load_async(connection).await?;
        }
        Ok(())
    }
}

fn script(flags: &str, gate: &str, body: &str) -> Script {
    use standing::{LATE, NOT_EMPTY, OTHER_SERVER, OTHER_VAULT, OURS, RESTORED, SET_BACK};
    let constants = [
        ("OURS", u64::from(OURS)),
        ("OTHER_SERVER", u64::from(OTHER_SERVER)),
        ("LATE", u64::from(LATE)),
        ("NOT_EMPTY", u64::from(NOT_EMPTY)),
        ("RESTORED", u64::from(RESTORED)),
        ("OTHER_VAULT", u64::from(OTHER_VAULT)),
        ("SET_BACK", u64::from(SET_BACK)),
        ("BACK_MILLIS", CLOCK_BACK_MILLIS_MAX),
        ("BROWSER", u64::from(BROWSER)),
        ("REQUEST_MILLIS", CVV_REQUEST_SECONDS * 1000),
        ("COMPONENT_MILLIS", CVV_KEY_COMPONENT_SECONDS * 1000),
        ("COMPONENT_KEPT_MILLIS", CVV_KEY_COMPONENT_KEPT_SECONDS * 1000),
        ("CLAIMS_MAX", CVV_CLAIMS_MAX as u64),
        ("ENDED_MAX", ENDED_MAX as u64),
        ("OWNERS_MAX", 4 * OWNERS_LOOKED_AT_MAX as u64),
    ];
    let constants: String =
        constants.iter().map(|(name, value)| format!("local {name} = {value}\n")).collect();
    Script::new(&format!("#!lua{flags}\n{constants}{gate}{COMMON}{body}"))
}
