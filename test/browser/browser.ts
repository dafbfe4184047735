import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { projectRoot } from '@daybook/platform';
import { type Browser, launch } from 'puppeteer-core';

export interface TestBrowser {
  readonly browser: Browser;
  close(): Promise<void>;
}

/** Why the browser that npm installed cannot run on this machine; undefined when it can. */
export function whyNoBrowser(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `@sparticuz/chromium is built for Linux on x64, this is ${process.platform} on ${process.arch}`;
  }
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined
    ? '@sparticuz/chromium needs glibc, this system has another libc'
    : undefined;
}

/**
 * Starts the Chromium of the npm package `@sparticuz/chromium`. It needs nothing of the system: libraries and a font
 * come with it. It may run as root, and it resolves no name, so that it reaches nothing but this machine.
 */
export async function launchBrowser(viewport: { width: number; height: number }): Promise<TestBrowser> {
  const home = await mkdtemp(join(tmpdir(), 'daybook-browser-'));
  const remove = () => rm(home, { recursive: true, force: true });
  try {
    await unpack(home);
    const browser = await launch({
      executablePath: join(home, 'chromium'),
      userDataDir: join(home, 'profile'),
      headless: 'shell',
      defaultViewport: viewport,
      env: {
        HOME: home,
        TMPDIR: home,
        LD_LIBRARY_PATH: join(home, 'al2023/lib'),
        FONTCONFIG_FILE: join(home, 'fonts.conf'),
      },
      args: [
        '--no-sandbox',
        '--no-zygote',
        '--disable-gpu',
        '--font-render-hinting=none',
        '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
        '--no-pings',
      ],
    });
    const close = async () => {
      await browser.close();
      await remove();
    };
    return { browser, close };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The package unpacks itself into the folder for temporary files, and its libraries only where it sees AWS Lambda. */
async function unpack(folder: string): Promise<void> {
  const script = `await (await import('@sparticuz/chromium')).default.executablePath()`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: projectRoot(),
    env: { TMPDIR: folder, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' },
  });
  await writeFile(join(folder, 'fonts.conf'), fontConfiguration(folder));
}

/** The font of the package first, so that text is visible and looks the same everywhere; then those of the system. */
function fontConfiguration(folder: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${folder}/fonts</dir>
  <cachedir>${folder}/fonts-cache</cachedir>
  <alias binding="strong">
    <family>sans-serif</family>
    <prefer><family>Open Sans</family></prefer>
  </alias>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
`;
}
