// npm's `eventsource`.
import { EventSource } from "eventsource";
import { listen } from "./listen.mjs";

listen(EventSource);
