// A Chromium of its own, driven through chromedriver.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Builder, logging } from "selenium-webdriver";
import chrome from "selenium-webdriver/chrome.js";
import { until } from "./server.mjs";

export class Browser {
  #driver;
  #profile;

  static async start() {
    const browser = new Browser();
    browser.#profile = await mkdtemp(path.join(tmpdir(), "sse-actix-"));
    const options = new chrome.Options();
    options.addArguments(
      "--headless=new",
      "--no-sandbox",
      "--disable-dev-shm-usage",
      `--user-data-dir=${browser.#profile}`,
    );
    options.setBinaryPath(process.env.CHROMIUM ?? "/usr/bin/chromium");
    const preferences = new logging.Preferences();
    preferences.setLevel(logging.Type.BROWSER, logging.Level.ALL);
    options.setLoggingPrefs(preferences);
    browser.#driver = await new Builder()
      .forBrowser("chrome")
      .setChromeOptions(options)
      .setChromeService(new chrome.ServiceBuilder(process.env.CHROMEDRIVER ?? "/usr/bin/chromedriver"))
      .build();
    return browser;
  }

  async stop() {
    await this.#driver.quit();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }

  /** Opens a page in a new tab, in which all that follows happens. */
  async open(url) {
    await this.#driver.switchTo().newWindow("tab");
    await this.#driver.get(url);
    return this.#driver.getWindowHandle();
  }

  async goTo(tab) {
    await this.#driver.switchTo().window(tab);
  }

  /** Closes all tabs but the one that the browser began with. */
  async closeTabs() {
    const [first, ...tabs] = await this.#driver.getAllWindowHandles();
    for (const tab of tabs) {
      await this.goTo(tab);
      await this.#driver.close();
    }
    await this.goTo(first);
  }

  async get(url) {
    await this.#driver.get(url);
  }

  back() {
    return this.#driver.navigate().back();
  }

  /** What a script of the page returns; it may be a promise. */
  run(script) {
    return this.#driver.executeScript(script);
  }

  /** Waits until a script returns something that is true. */
  until(script) {
    return until(script, () => this.run(script));
  }

  /** What the console has said since it was asked last. */
  async console() {
    const entries = await this.#driver.manage().logs().get(logging.Type.BROWSER);
    return entries.map(({ message }) => message);
  }
}
