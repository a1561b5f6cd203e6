// The `EventSource` of undici, which Node's own is.
import { EventSource } from "undici";
import { listen } from "./listen.mjs";

listen(EventSource);
// Its reconnect timer does not keep the process alive.
setInterval(() => {}, 60_000);
