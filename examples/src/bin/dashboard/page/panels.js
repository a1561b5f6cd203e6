// For each stream: what its panel shows.
import { Heat, Lines, roundedUp } from "/charts.js";

const teal = "#38d6c4", violet = "#a78bfa", blue = "#5aa9f8", orange = "#fb923c", green = "#4ade80", pink = "#f472b6", yellow = "#facc4d";

const percent = (value) => `${value} %`;
const rate = (value) => `${bytes(value)}/s`;

// Each panel has a title, the colours and names of its lines, and `build`, which returns `show`. `show` is called with
// each event's data.
export const panels = {
  cpu: {
    title: "Processor", wide: true,
    keys: { "all cores": teal },
    build: (panel) => {
      const chart = new Lines(panel.chart("Processor use, last two minutes"), { lines: [teal], most: () => 100, format: percent });
      return { chart, show: (at, cpu) => {
        panel.figure(cpu.percent.toFixed(1), "%", cpu.model);
        chart.add(at, [cpu.percent]);
      } };
    },
  },
  cores: {
    title: "Cores",
    build: (panel) => {
      const chart = new Heat(panel.chart("Use of each core, last two minutes"));
      return { chart, show: (at, cores) => {
        const busy = cores.filter((core) => core >= 50).length;
        panel.figure(busy, `of ${cores.length} busy`, `busiest ${Math.round(Math.max(...cores))} %`);
        chart.add(at, cores);
      } };
    },
  },
  memory: {
    title: "Memory",
    keys: { "in use": violet },
    build: (panel) => {
      let total = 1;
      const chart = new Lines(panel.chart("Memory in use, last two minutes"), { lines: [violet], most: () => total, format: bytes });
      return { chart, show: (at, memory) => {
        ({ total } = memory);
        const swap = memory.swap.total ? `swap ${bytes(memory.swap.used)} of ${bytes(memory.swap.total)}` : "no swap";
        panel.figure(...split(bytes(memory.used)), `of ${bytes(total)}, ${swap}`);
        chart.add(at, [memory.used]);
      } };
    },
  },
  network: {
    title: "Network",
    keys: { in: blue, out: orange },
    build: (panel) => {
      const chart = new Lines(panel.chart("Network traffic, last two minutes"), { lines: [blue, orange], most: (highest) => roundedUp(highest, 1000), format: rate });
      return { chart, show: (at, network) => {
        panel.figure(...split(rate(network.in)), `in, ${rate(network.out)} out`);
        chart.add(at, [network.in, network.out]);
      } };
    },
  },
  disk: {
    title: "Disk",
    keys: { read: green, written: pink },
    build: (panel) => {
      const chart = new Lines(panel.chart("Disk traffic, last two minutes"), { lines: [green, pink], most: (highest) => roundedUp(highest, 1000), format: rate });
      return { chart, show: (at, disk) => {
        panel.figure(...split(rate(disk.written)), `written, ${rate(disk.read)} read`);
        chart.add(at, [disk.read, disk.written]);
      } };
    },
  },
  load: {
    title: "Load",
    keys: { "1 min": yellow, "5 min": orange, "15 min": pink },
    build: (panel) => {
      const chart = new Lines(panel.chart("Load averages, last two minutes"), { lines: [yellow, orange, pink], most: (highest) => roundedUp(highest, 1), format: String });
      return { chart, show: (at, load) => {
        panel.figure(load.one.toFixed(2), "", `for ${load.cores} cores; ${load.five.toFixed(2)} and ${load.fifteen.toFixed(2)}`);
        chart.add(at, [load.one, load.five, load.fifteen]);
      } };
    },
  },
  storage: {
    title: "Storage",
    build: (panel) => {
      const list = panel.list("rings");
      return { show: (_, disks) => {
        const used = disks.reduce((sum, disk) => sum + disk.used, 0);
        const total = disks.reduce((sum, disk) => sum + disk.total, 0);
        panel.figure(...split(bytes(total - used)), "free");
        list.replaceChildren(...disks.slice(0, 3).map(ring));
      } };
    },
  },
  processes: {
    title: "Processes",
    build: (panel) => {
      const list = panel.list("processes");
      return { show: (_, { count, busiest }) => {
        panel.figure(count, "running", "by processor time");
        const most = Math.max(100, ...busiest.map((process) => process.percent));
        list.replaceChildren(...busiest.map(({ name, percent, memory }) => {
          const bar = element("i");
          bar.style.inlineSize = `${(100 * percent / most).toFixed(1)}%`;
          return element("li", element("b", name), element("span", `${percent.toFixed(1)} %`), element("small", bytes(memory)), bar);
        }));
      } };
    },
  },
  server: {
    title: "This server",
    keys: { streams: teal, connections: yellow },
    build: (panel, wall) => {
      const chart = new Lines(panel.chart("Open streams and connections of this server, last two minutes"), { lines: [teal, yellow], most: (highest) => roundedUp(highest, 10), format: String });
      return { chart, show: (at, server) => {
        const own = server.process;
        panel.figure(server.streams, `streams, ${server.connections} ${server.connections === 1 ? "connection" : "connections"}`, own && `${bytes(own.memory)}, ${own.percent.toFixed(1)} %`);
        chart.add(at, [server.streams, server.connections]);
        wall.serverCounts(server);
      } };
    },
  },
  refused: {
    title: "Elsewhere",
    build: (panel, wall) => {
      const frame = element("iframe");
      frame.title = "What a page of another site gets";
      frame.src = wall.sites.elsewhere;
      const answer = element("pre");
      answer.setAttribute("aria-label", "What the server answered there");
      const caption = (text) => element("p", text);
      panel.body.append(caption(`A page of ${new URL(wall.sites.elsewhere).host} tries the same, and sees:`), frame, caption("What the server says it answered:"), answer);
      return { show: (_, { total, last }) => {
        panel.figure(total, "refused");
        answer.textContent = last ? `${last.request}, Origin: ${last.origin}\n${last.status} ${last.body}` : "nothing yet";
      } };
    },
  },
};

function ring({ at, used, total }) {
  const share = total ? used / total : 0;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  for (const [kind, length] of [["all", 100], ["used", 100 * share]]) {
    const circle = svg.appendChild(document.createElementNS(svg.namespaceURI, "circle"));
    for (const [name, value] of Object.entries({ class: kind, cx: 50, cy: 50, r: 42, pathLength: 100, "stroke-dasharray": `${length} 100` })) circle.setAttribute(name, value);
  }
  const text = element("span", element("b", `${Math.round(100 * share)}`), " %");
  return element("li", element("div", svg, text), element("p", element("b", at), ` ${bytes(used)} of ${bytes(total)}`));
}

export function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${+count.toFixed(unit > 0 && count < 100 ? 1 : 0)} ${units[unit]}`;
}

// A number and its unit, to be shown in two sizes.
const split = (text) => text.split(" ");
