// A page of another site, in a browser that is logged in at the wall. It tries to do what the wall does.

const { streams } = await (await fetch("/sites.json")).json();

const tries = [
  {
    code: 'new EventSource("/figures/cpu")',
    run: () => new Promise((resolve) => {
      const source = new EventSource(`${streams}/figures/cpu`, { withCredentials: true });
      let events = 0;
      source.addEventListener("cpu", () => { events += 1; });
      source.onopen = () => resolve("OPEN");
      source.onerror = () => resolve(`${["CONNECTING", "OPEN", "CLOSED"][source.readyState]}, ${events} events`);
    }),
  },
  {
    code: 'fetch("/session")',
    run: () => fetch(`${streams}/session`, { credentials: "include" }).then((answer) => answer.status),
  },
  {
    // The browser sends this request without a preflight, with the cookie. It only hides the answer from this page.
    code: 'fetch("/logout", POST, no-cors)',
    run: () => fetch(`${streams}/logout`, { method: "POST", mode: "no-cors", credentials: "include" })
      .then((answer) => `${answer.type}, status ${answer.status}`),
  },
];

const list = document.getElementById("tries");

for (const { code, run } of tries) {
  const item = document.createElement("li");
  const [asked, got] = [document.createElement("code"), document.createElement("span")];
  asked.textContent = code;
  item.append(asked, got);
  list.append(item);
  const attempt = async () => {
    got.textContent = await run().catch((error) => `${error.name}: ${error.message}`);
  };
  attempt();
  setInterval(attempt, 15_000);
}
