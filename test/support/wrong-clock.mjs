// Preloaded into a server process (see wrongClock() in fleet.ts): its clock is wrong from its first line on.
const offsetMs = Number(process.env['WRONG_CLOCK_OFFSET_MS']);
const RealDate = Date;
const wrongNow = () => RealDate.now() + offsetMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [wrongNow()] : args, newTarget),
  apply: () => new RealDate(wrongNow()).toString(),
  get: (target, property) => (property === 'now' ? wrongNow : Reflect.get(target, property)),
});
