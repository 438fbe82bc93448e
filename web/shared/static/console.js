// The console: countdowns, ages and a page that keeps itself fresh.

import * as clock from "./clock.js";
import * as live from "./live.js";

clock.start(live.wake);
document.getElementById("main").dataset.ages = "";
live.start("hub");
