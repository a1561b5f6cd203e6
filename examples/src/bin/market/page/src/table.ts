import { type Board, type Share, changeOf, haltOf, lastOf } from "./board.js";
import { element, price, showChange, write } from "./elements.js";

/** One row for each share. */
export class Table {
  readonly #board: Board;
  readonly #rows = new Map<string, Row>();
  readonly #body = element("shares").querySelector("tbody") as HTMLTableSectionElement;

  constructor(board: Board, select: (symbol: string) => void) {
    this.#board = board;
    this.#body.addEventListener("click", ({ target }) => {
      const symbol = (target as Element).closest("tr")?.dataset.symbol;
      if (symbol) select(symbol);
    });
  }

  draw(selected: string | undefined) {
    for (const [symbol, row] of this.#rows) {
      if (this.#board.shares.has(symbol)) continue;
      row.element.remove();
      this.#rows.delete(symbol);
    }
    for (const share of this.#board.shares.values()) {
      let row = this.#rows.get(share.symbol);
      if (!row) {
        row = new Row(share);
        this.#rows.set(share.symbol, row);
        this.#body.append(row.element);
      }
      row.draw(share, share.symbol === selected);
    }
  }
}

const ROW = document.createElement("template");
ROW.innerHTML = `<tr>
  <td><button type="button"></button><span class="badge" hidden>Halted</span><span class="company"></span></td>
  <td class="last"><span></span></td>
  <td><span class="change"></span></td>
  <td class="trend"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true"><path /></svg></td>
  <td class="range"><svg viewBox="0 0 104 8" preserveAspectRatio="none" aria-hidden="true"><rect y="3" width="104" height="2" rx="1" /><circle r="3.5" cy="4" /></svg><div><span></span><span></span></div></td>
</tr>`;

class Row {
  readonly element = ROW.content.firstElementChild!.cloneNode(true) as HTMLTableRowElement;
  #shown = 0;

  constructor({ symbol, company }: Share) {
    this.element.dataset.symbol = symbol;
    this.#find("button").textContent = symbol;
    this.#find(".company").textContent = company;
  }

  draw(share: Share, isSelected: boolean) {
    const last = lastOf(share).price;
    const change = changeOf(share);
    const halt = haltOf(share);
    this.element.dataset.selected = String(isSelected);
    this.#find("button").setAttribute("aria-pressed", String(isSelected));
    Object.assign(this.#find(".badge"), { hidden: halt === undefined, title: halt ?? "" });
    this.#flash(last);
    showChange(this.#find(".change"), change);

    const prices = share.trades.map((trade) => trade.price);
    const [low, high] = [Math.min(...prices), Math.max(...prices)];
    const path = this.#find(".trend path");
    path.setAttribute("d", line(share, low, high));
    path.dataset.falls = String(change < 0);
    const part = high > low ? (last - low) / (high - low) : 0.5;
    this.#find(".range circle").setAttribute("cx", String(4 + 96 * part));
    write(this.#find(".range div > :first-child"), price(low));
    write(this.#find(".range div > :last-child"), price(high));
  }

  /** Lights up a price that has changed. */
  #flash(last: number) {
    if (last === this.#shown) return;
    const shown = this.#find(".last span");
    write(shown, price(last));
    shown.className = "";
    // Lets the animation start again.
    void shown.offsetWidth;
    if (this.#shown > 0) shown.className = last < this.#shown ? "fell" : "rose";
    this.#shown = last;
  }

  #find(selector: string) {
    return this.element.querySelector(selector) as HTMLElement;
  }
}

function line({ trades }: Share, low: number, high: number) {
  const [first, last] = [trades[0]?.at ?? 0, trades.at(-1)?.at ?? 0];
  const x = (at: number) => ((100 * (at - first)) / Math.max(1, last - first)).toFixed(1);
  const y = (price: number) => (95 - (90 * (price - low)) / Math.max(1, high - low)).toFixed(1);
  return `M${trades.map(({ at, price }) => `${x(at)} ${y(price)}`).join("L")}`;
}
