// Moving charts of the last two minutes: lines and heat maps.

const SPAN = 120; // seconds

// The difference between the server's clock and this page's. The event with the least delay gives the best value.
let behind = Infinity;

export const serverTime = () => Date.now() - (Number.isFinite(behind) ? behind : 0);

export function noteTime(at) {
  behind = Math.min(behind, Date.now() - at);
}

// The chart shows the time one second ago, so that the newest point comes in from the edge.
const rightEdge = () => serverTime() / 1000 - 1;

const charts = new Set();

// A chart moves one pixel in a quarter of a second, so more frames are not needed.
let moved = 0;
requestAnimationFrame(function frame(time) {
  if (time - moved > 120) {
    moved = time;
    for (const chart of charts) chart.move();
  }
  requestAnimationFrame(frame);
});

class Moving {
  constructor(element) {
    this.element = element;
    this.points = [];
    charts.add(this);
    new ResizeObserver(() => this.resize()).observe(element);
  }
  add(milliseconds, values) {
    const at = milliseconds / 1000;
    if (this.points.length > 0 && at <= this.points.at(-1).at) return;
    this.points.push({ at, values });
    const oldest = at - SPAN - 5;
    while (this.points[0].at < oldest) this.points.shift();
    this.update();
  }
  clear() {
    this.points = [];
    this.update();
  }
}

// A chart of lines, drawn by uPlot. `most` gives the top of the scale for the highest value shown.
export class Lines extends Moving {
  constructor(element, { lines, most, format }) {
    super(element);
    const axis = { stroke: "#64748b", font: "11px system-ui, sans-serif", grid: { stroke: "#ffffff0d", width: 1 }, ticks: { show: false } };
    const [width, height] = [element.clientWidth || 300, element.clientHeight || 120];
    this.plot = new uPlot({
      width, height,
      padding: [8, 10, 0, 0],
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: { auto: false },
        y: { range: (_, lowest, highest) => [0, most(highest ?? 0)] },
      },
      axes: [
        { ...axis, size: 20, gap: 4, space: 90, values: (plot, times) => times.map((time) => hasRoom(plot, time) ? clock(time) : null) },
        { ...axis, size: 56, gap: 6, space: 34, values: (_, values) => values.map(format) },
      ],
      series: [{}, ...lines.map((color) => ({
        stroke: color,
        width: 2,
        fill: (plot) => fade(plot, color, lines.length > 1 ? "30" : "4d"),
        points: { show: false },
      }))],
      hooks: { draw: [(plot) => lines.forEach((color, line) => this.dot(plot, line + 1, color))] },
    }, [[], ...lines.map(() => [])], element);
    this.count = lines.length;
  }
  update() {
    const columns = [[], ...Array.from({ length: this.count }, () => [])];
    let before;
    for (const { at, values } of this.points) {
      // A hole in the data stays a hole in the line.
      if (at - before > 3) columns.forEach((column, index) => column.push(index ? null : before + 1));
      columns[0].push(at);
      values.forEach((value, line) => columns[line + 1].push(value));
      before = at;
    }
    this.plot.setData(columns, false);
    this.move();
  }
  move() {
    const max = rightEdge();
    this.plot.setScale("x", { min: max - SPAN, max });
  }
  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width && height) this.plot.setSize({ width, height });
  }
  // Where the line ends: at the edge, or where the stream was lost.
  dot({ ctx, data, bbox, valToPos }, line, color) {
    const edge = rightEdge();
    const last = data[0].findLastIndex((at) => at <= edge);
    if (last < 0 || data[line][last] === null) return;
    const [x, y] = [valToPos(data[0][last], "x", true), valToPos(data[line][last], "y", true)];
    if (x < bbox.left) return;
    ctx.save();
    ctx.fillStyle = color;
    ctx.shadowColor = color;
    ctx.shadowBlur = 10 * devicePixelRatio;
    ctx.beginPath();
    ctx.arc(x, y, 3 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
    ctx.restore();
  }
}

// A heat map: one row for each value, brighter if the value is closer to 100.
export class Heat extends Moving {
  constructor(element) {
    super(element);
    this.canvas = element.appendChild(document.createElement("canvas"));
    this.resize();
  }
  update() {
    this.move();
  }
  move() {
    const { canvas, points } = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const rows = points.at(-1)?.values.length ?? 0;
    const [height, gap] = [canvas.height / rows, rows > 24 ? 0 : 2 * devicePixelRatio];
    const second = canvas.width / SPAN;
    const edge = rightEdge();
    for (const { at, values } of points) {
      const right = canvas.width - (edge - at) * second;
      values.forEach((value, row) => {
        context.fillStyle = heat(value / 100);
        context.fillRect(right - second, row * height + gap / 2, second + 0.6, height - gap);
      });
    }
  }
  resize() {
    if (!this.canvas) return;
    this.canvas.width = this.element.clientWidth * devicePixelRatio;
    this.canvas.height = this.element.clientHeight * devicePixelRatio;
    this.move();
  }
}

// Rounds up to the next of 1, 2, 5, 10, 20, and so on, but at least to `least`.
export function roundedUp(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= wanted);
}

function heat(share) {
  const from = [[16, 26, 38], [20, 92, 110], [56, 214, 196], [250, 204, 77], [251, 113, 91]];
  const place = Math.min(Math.max(share, 0), 0.9999) * (from.length - 1);
  const [low, high, part] = [from[Math.floor(place)], from[Math.floor(place) + 1], place % 1];
  return `rgb(${low.map((value, index) => Math.round(value + (high[index] - value) * part)).join(" ")})`;
}

function fade({ ctx, bbox }, color, alpha) {
  // The first drawing happens before the chart has a size.
  if (!Number.isFinite(bbox.top + bbox.height)) return color + alpha;
  const gradient = ctx.createLinearGradient(0, bbox.top, 0, bbox.top + bbox.height);
  gradient.addColorStop(0, color + alpha);
  gradient.addColorStop(1, color + "00");
  return gradient;
}

// Whether the label of this time, which is centred below it, ends before the chart does.
function hasRoom(plot, time) {
  return plot.valToPos(time, "x") < plot.bbox.width / devicePixelRatio - 20;
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}
