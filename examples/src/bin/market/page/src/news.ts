import type { Story } from "./board.js";
import { clock, element } from "./elements.js";

let shown: Story | undefined;

/** The newest first. */
export function showNews(news: Story[]) {
  if (news[0] === shown) return;
  shown = news[0];
  element("news")
    .querySelector("ol")
    ?.replaceChildren(...news.map(item));
}

function item({ at, symbol, headline }: Story) {
  const [item, time, text, share] = ["li", "time", "span", "b"].map((name) => document.createElement(name));
  time!.textContent = clock(at);
  share!.textContent = symbol;
  text!.append(share!, ` ${headline}`);
  item!.append(time!, text!);
  return item!;
}
