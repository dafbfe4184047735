// Takes the picture of Swagger UI for the README: node --import ./scripts/typescript.mjs test/browser/screenshot.ts
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { projectRoot } from '@daybook/platform';
import type { Page } from 'puppeteer-core';

import { startServer, stopServer } from '../support/test-server.js';
import { launchBrowser, whyNoBrowser } from './browser.js';
import { startNewcomersServer } from './newcomer.js';
import { SwaggerPage } from './swagger-page.js';

const WIDTH = 1200;
const MARGIN = 10;
const PICTURE = join(projectRoot(), 'docs/images/swagger-ui.png') as `${string}.png`;

const obstacle = whyNoBrowser();
if (obstacle === undefined) await takePicture();
else process.stderr.write(`No picture was taken: ${obstacle}.\n`);

async function takePicture(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  await startServer();
  stack.defer(stopServer);
  const newcomer = await startNewcomersServer();
  stack.defer(newcomer.stop);
  const chromium = await launchBrowser({ width: WIDTH, height: 2000 });
  stack.defer(chromium.close);
  const swagger = await SwaggerPage.open(chromium.browser, newcomer.server.origin);
  const answer = await (await swagger.expand('POST', '/orders')).execute();
  if (answer.status !== '201') throw new Error(`The order was refused: ${answer.body}`);
  await mkdir(dirname(PICTURE), { recursive: true });
  await capture(swagger.page);
}

/** From the top of the page to the end of the answer's headers. */
async function capture(page: Page): Promise<void> {
  // The command for curl has the token in it, and pictures outlive their subjects.
  await page.$eval('.curl-command', (command) => command.replaceChildren());
  // Away from the routes, which show more under a pointer, and hide it slowly.
  await page.addStyleTag({ content: '* { transition: none !important }' });
  await page.mouse.move(0, 0);
  const end = await page.$eval('.headerline:last-child', (line) => line.getBoundingClientRect().bottom);
  const height = Math.ceil(end) + MARGIN;
  await page.screenshot({ path: PICTURE, clip: { x: 0, y: 0, width: WIDTH, height } });
}
