import { CronTime } from 'cron';

/** When something is done again and again. */
export interface Schedule {
  /** As operators read it: `30 3 * * *`, `every 60 seconds`. */
  readonly text: string;
  /** The first tick that is later than the given time. */
  nextTickAfter(time: Date): Date;
}

const LONGEST_INTERVAL_SECONDS = 86_400;

/** @throws when it is no cron expression, or one whose day never comes */
export function byCron(cron: string, timezone: string): Schedule {
  const time = new CronTime(cron, timezone);
  const nextTickAfter = (after: Date) => time.getNextDateFrom(after, timezone).toJSDate();
  // 30 February is only found out by looking for it.
  nextTickAfter(new Date());
  return { text: cron, nextTickAfter };
}

/** Counted from 1970, so that all processes mean the same ticks, whenever each was started. @throws {RangeError} */
export function atIntervals(seconds: number): Schedule {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > LONGEST_INTERVAL_SECONDS)
    throw new RangeError(`it takes 1 to ${LONGEST_INTERVAL_SECONDS} whole seconds`);
  const intervalMs = seconds * 1000;
  return {
    text: textOf(seconds),
    nextTickAfter: (time) => new Date((Math.floor(time.getTime() / intervalMs) + 1) * intervalMs),
  };
}

function textOf(seconds: number): string {
  return seconds === 1 ? 'every second' : `every ${seconds} seconds`;
}
