// The desk: everything here is a help. Reading, writing and sending work without it.

import * as clock from "./clock.js";
import * as live from "./live.js";
import * as alarm from "./alarm.js";
import * as attach from "./attach.js";
import * as scratch from "./scratch.js";
import * as shortcuts from "./shortcuts.js";

clock.start(live.wake);
for (const part of [alarm, scratch, attach, shortcuts, live]) part.start();
