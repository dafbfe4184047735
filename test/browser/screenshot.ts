// Takes the picture of Swagger UI for the README: node --import ./scripts/typescript.mjs test/browser/screenshot.ts
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { projectRoot } from '@daybook/platform';

import { startServer, stopServer } from '../support/test-server.js';
import { launchBrowser, whyNoBrowser } from './browser.js';
import { startNewcomersServer } from './newcomer.js';
import { SwaggerPage } from './swagger-page.js';

const WIDTH = 1200;
const FOLDER = join(projectRoot(), 'docs/images');

const obstacle = whyNoBrowser();
if (obstacle === undefined) await takePicture();
else process.stderr.write(`No picture was taken: ${obstacle}.\n`);

async function takePicture(): Promise<void> {
  await startServer();
  const newcomer = await startNewcomersServer();
  const chromium = await launchBrowser({ width: WIDTH, height: 1000 });
  try {
    const swagger = await SwaggerPage.open(chromium.browser, newcomer.server.origin);
    const answer = await (await swagger.expand('POST', '/orders')).execute();
    if (answer.status !== '201') throw new Error(`The order was refused: ${answer.body}`);
    // It has the token in it, and pictures outlive their subjects.
    await swagger.page.$eval('.curl-command', (command) => command.remove());
    await mkdir(FOLDER, { recursive: true });
    const height = await swagger.page.$eval(
      '.live-responses-table',
      (table) => table.getBoundingClientRect().bottom,
    );
    await swagger.page.screenshot({
      path: join(FOLDER, 'swagger-ui.png'),
      clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(height) },
    });
  } finally {
    await chromium.close();
    await newcomer.stop();
    await stopServer();
  }
}
