import type { Browser, Page } from 'puppeteer-core';

const PATIENCE_MS = 20_000;

/** What Swagger UI shows of the answer to a request. */
export interface ShownAnswer {
  readonly status: string;
  readonly body: string;
}

/** Swagger UI in a browser, used as a person uses it: by what is on the page. */
export class SwaggerPage {
  /** What a developer would see in the console, and every request that left for anywhere but the server. */
  readonly complaints: string[] = [];

  private constructor(readonly page: Page) {}

  static async open(browser: Browser, origin: string): Promise<SwaggerPage> {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const swagger = new SwaggerPage(page);
    swagger.listen(origin);
    await page.goto(`${origin}/docs`);
    await page.locator('.opblock-summary').wait();
    return swagger;
  }

  /** The names of the groups of routes, from top to bottom. */
  async groups(): Promise<string[]> {
    return this.page.$$eval('.opblock-tag', (headings) =>
      headings.map((heading) => heading.getAttribute('data-tag') ?? ''),
    );
  }

  async isAuthorised(): Promise<boolean> {
    return (await this.page.$('.auth-wrapper .authorize.locked')) !== null;
  }

  /** Opens a route, given as API.md gives it, ready to be executed. */
  async expand(method: string, path: string): Promise<SwaggerOperation> {
    const selector = `.opblock-${method.toLowerCase()}:has([data-path="/api/v1${path}"])`;
    await this.page.locator(`${selector} .opblock-summary-control`).click();
    await this.page.locator(`${selector} .btn.execute`).wait();
    return new SwaggerOperation(this.page, selector);
  }

  private listen(origin: string): void {
    const { page, complaints } = this;
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // Of every refusal the browser says so, and some are what a test is after; those of pages are noticed below.
      const isRefusal = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !isRefusal) complaints.push(message.text());
    });
    page.on('request', (request) => {
      const isElsewhere = !request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:');
      if (isElsewhere) complaints.push(`Asked for ${request.url()}`);
    });
    page.on('response', (response) => {
      const isPage = !response.url().includes('/api/v1/');
      if (isPage && response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`);
    });
  }
}

/** One route on the page. */
export class SwaggerOperation {
  constructor(
    private readonly page: Page,
    readonly selector: string,
  ) {}

  /** What the page has filled in as the request's body. */
  async body(): Promise<string> {
    const area = this.page.locator(`${this.selector} textarea.body-param__text`);
    return area.map(({ value }) => value).wait();
  }

  writeBody(text: string): Promise<void> {
    return this.write('.body-param__text', text);
  }

  writeParameter(name: string, value: string): Promise<void> {
    return this.write(`[data-param-name="${name}"] input`, value);
  }

  /** Presses Execute and reads the answer off the page; a former answer is cleared away first. */
  async execute(): Promise<ShownAnswer> {
    const answer = `${this.selector} .live-responses-table`;
    const clear = await this.page.$(`${this.selector} .btn-clear`);
    if (clear !== null) {
      await clear.click();
      await this.page.waitForSelector(answer, { hidden: true });
    }
    await this.page.locator(`${this.selector} .btn.execute`).click();
    const status = await this.textOf(`${answer} tbody .response-col_status`);
    return { status: status.slice(0, 3), body: await this.textOf(`${answer} .highlight-code code`) };
  }

  /** Replaces what is in a field as pasting would: React does not notice a value that a script has set. */
  private async write(selector: string, text: string): Promise<void> {
    await this.page.locator(`${this.selector} ${selector}`).click();
    await this.page.keyboard.press('a', { commands: ['SelectAll'] });
    await this.page.keyboard.sendCharacter(text);
  }

  private async textOf(selector: string): Promise<string> {
    const shown = await this.page.waitForSelector(selector, { visible: true });
    return (await shown?.evaluate((element) => element.textContent)) ?? '';
  }
}
