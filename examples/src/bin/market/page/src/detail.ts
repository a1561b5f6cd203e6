import uPlot from "uplot";
import { type Board, type Share, changeOf, haltOf, lastOf } from "./board.js";
import { clock, element, price, showChange, write } from "./elements.js";

/** One share: its price, and a chart of its last minutes, in which the times without trade are shaded. */
export class Detail {
  readonly #board: Board;
  readonly #place = element("chart");
  readonly #readout = element("readout");
  #chart: uPlot | undefined;
  #share: Share | undefined;
  #minutes = 5;

  constructor(board: Board) {
    this.#board = board;
    new ResizeObserver(() => this.#chart?.setSize(this.#size())).observe(this.#place);
    // A canvas does not follow a change of colours, so the chart is drawn again.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#chart?.redraw(false));
    for (const button of document.querySelectorAll<HTMLButtonElement>(".spans button")) {
      button.addEventListener("click", () => this.#span(Number(button.dataset.minutes)));
    }
  }

  draw(symbol: string | undefined) {
    const share = this.#board.shares.get(symbol ?? "");
    if (!share) return;
    const [change, halt] = [changeOf(share), haltOf(share)];
    this.#share = share;
    if (element("company").dataset.symbol !== symbol) {
      const small = document.createElement("small");
      small.textContent = ` ${share.company}`;
      element("company").replaceChildren(share.symbol, small);
      element("company").dataset.symbol = share.symbol;
    }
    write(element("price"), price(lastOf(share).price));
    showChange(element("change"), change);
    element("halt").hidden = halt === undefined;
    if (halt) write(element("halt"), `Halted: ${halt}`);
    document.title = `${share.symbol} ${price(lastOf(share).price)} ${change < 0 ? "▼" : "▲"}`;

    this.#chart ??= new uPlot(this.#options(), [[], []], this.#place);
    this.#chart.setData([share.trades.map(({ at }) => at / 1000), share.trades.map((trade) => trade.price / 100)]);
  }

  #span(minutes: number) {
    this.#minutes = minutes;
    for (const button of document.querySelectorAll<HTMLButtonElement>(".spans button")) {
      button.ariaPressed = String(Number(button.dataset.minutes) === minutes);
    }
    this.draw(this.#share?.symbol);
  }

  #size() {
    return { width: this.#place.clientWidth, height: this.#place.clientHeight };
  }

  #options(): uPlot.Options {
    const axis = { stroke: () => color("soft"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    const stroke = () => color(this.#share && changeOf(this.#share) < 0 ? "down" : "up");
    return {
      ...this.#size(),
      legend: { show: false },
      padding: [10, 8, 0, 0],
      scales: {
        x: { range: () => [this.#board.now / 1000 - 60 * this.#minutes, this.#board.now / 1000] },
        y: { range: (_, low, high) => padded(low ?? 0, high ?? 1) },
      },
      axes: [
        {
          ...axis,
          size: 28,
          grid: { show: false },
          space: 80,
          // This leaves out a label that would be cut off at the left.
          values: ({ valToPos }, times) => times.map((time) => (valToPos(time, "x") < 25 ? null : clock(1000 * time))),
        },
        {
          ...axis,
          side: 1,
          size: 56,
          grid: { stroke: () => color("line"), width: 1 },
          values: (_, prices) => prices.map((value) => value.toFixed(2)),
        },
      ],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      series: [{}, { stroke, fill: (chart) => gradient(chart, stroke()), width: 1.75, points: { show: false } }],
      hooks: { drawClear: [(chart) => this.#shadeHalts(chart)], setCursor: [(chart) => this.#read(chart)] },
    };
  }

  #shadeHalts({ ctx, bbox, valToPos }: uPlot) {
    ctx.save();
    ctx.fillStyle = color("halt-soft");
    for (const { from, until } of this.#share?.halts ?? []) {
      const x = (at: number) => Math.min(Math.max(valToPos(at / 1000, "x", true), bbox.left), bbox.left + bbox.width);
      const [left, right] = [x(from), x(until ?? this.#board.now)];
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.restore();
  }

  /** Describes in words the point under the pointer. */
  #read({ cursor }: uPlot) {
    const trade = this.#share?.trades[cursor.idx ?? -1];
    const last = this.#share && lastOf(this.#share);
    const text = trade ? `${clock(trade.at)}  ${price(trade.price)}` : last ? "Shaded: not traded" : "";
    write(this.#readout, text);
  }
}

const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A range with some room above and below. It is never so small that a tiny change looks large. */
function padded(low: number, high: number): [number, number] {
  const room = Math.max(0.08 * (high - low), 0.002 * high);
  return [low - room, high + room];
}

function gradient({ ctx, bbox }: uPlot, color: string) {
  const { top, height } = bbox;
  // The first drawing happens before the chart has a size.
  if (!Number.isFinite(top + height)) return "transparent";
  const fill = ctx.createLinearGradient(0, top, 0, top + height);
  fill.addColorStop(0, `${color}38`);
  fill.addColorStop(1, `${color}00`);
  return fill;
}
