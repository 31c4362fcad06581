// Payments that are made once, however often they are asked for: `node examples/idempotent-payments/main.ts`
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openBank } from "./bank.ts";

const folder = mkdtempSync(join(tmpdir(), "leasehold-payments-"));
const { values } = parseArgs({ options: { url: { type: "string" } } });
const url = values.url ?? `sqlite:${join(folder, "payments.db")}`;
/** Of this run alone: another one over the same store has keys of its own. */
const namespace = `payments-${process.pid}-${Date.now()}`;
const bank = await openBank();

// Whatever ends this process, no instance and no file outlives it.
const children: ChildProcess[] = [];
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

interface Instance {
  readonly child: ChildProcess;
  readonly port: number;
}

async function startInstance(): Promise<Instance> {
  const child = fork(join(import.meta.dirname, "instance.ts"), [url, namespace, bank.url], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  children.push(child);
  const failed = once(child, "exit").then(() => {
    throw new Error(`an instance ended with ${child.exitCode ?? child.signalCode}`);
  });
  const [port] = (await Promise.race([once(child, "message"), failed])) as [number];
  failed.catch(() => undefined);
  return { child, port };
}

/** What was answered, on one line. */
async function post(
  { port }: Instance,
  amount: number,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/payments`, {
    method: "POST",
    headers: { "x-customer": "ada", ...headers },
    body: JSON.stringify({ amount }),
  });
  const told = ["Idempotent-Replayed", "Retry-After"].flatMap((name) => {
    const value = response.headers.get(name);
    return value === null ? [] : [`${name}: ${value}`];
  });
  return [response.status, (await response.text()).trim(), ...told].join("  ");
}

let isRight = true;
/** Prints an answer, and whether it is the expected one. */
function show(what: string, answer: string, expected: RegExp): void {
  const isExpected = expected.test(answer);
  isRight &&= isExpected;
  console.log(`${isExpected ? "✓" : "✗"} ${what}\n    ${answer}`);
}

const [alpha, bravo] = await Promise.all([startInstance(), startInstance()]);
console.log(`two instances take payments, over ${url}`);
const key = (name: string): { readonly "idempotency-key": string } => ({ "idempotency-key": name });
const isReplay = "Idempotent-Replayed: true";

show("without a key", await post(alpha, 10, {}), /^400 /);
show("the first request", await post(alpha, 10, key("k1")), /^201 {2}\{"id":"charge-1","amount":10\}$/);
show(
  "again, at the other instance",
  await post(bravo, 10, key("k1")),
  RegExp(`^201 .*"charge-1".*${isReplay}$`),
);
show("the same key, another amount", await post(bravo, 20, key("k1")), /^422 /);
show(
  "the same key of another customer",
  await post(bravo, 20, { ...key("k1"), "x-customer": "bob" }),
  /^201 .*charge-2/,
);
show("a declined one", await post(alpha, 5_000, key("k2")), /^402 /);
show("again: the bank is not asked", await post(bravo, 5_000, key("k2")), RegExp(`^402 .*${isReplay}$`));

const slow = bank.hold();
const first = post(alpha, 30, key("k3"));
await slow.charged;
show("while the first one runs", await post(bravo, 30, key("k3")), /^409 .*Retry-After: 1$/);
const patient = post(bravo, 30, { ...key("k3"), prefer: "wait=20" });
slow.answer();
show("the first one", await first, /^201 .*"charge-3"/);
show("with Prefer: wait=20, meanwhile", await patient, RegExp(`^201 .*"charge-3".*${isReplay}$`));

const killed = bank.hold();
const lost = post(alpha, 40, key("k4")).catch(() => "no answer");
await killed.charged;
const waiting = post(bravo, 40, { ...key("k4"), prefer: "wait=30" });
alpha.child.kill("SIGKILL");
show("the instance is killed after the bank has charged", await lost, /^no answer$/);
killed.answer();
show("the other one takes over: the same charge", await waiting, /^201 {2}\{"id":"charge-4","amount":40\}$/);
const charlie = await startInstance();
show(
  "again, at a new instance",
  await post(charlie, 40, key("k4")),
  RegExp(`^201 .*"charge-4".*${isReplay}$`),
);

const ended = [bravo, charlie].map(({ child }) => once(child, "exit"));
for (const { child } of [bravo, charlie]) child.disconnect();
await Promise.all(ended);
bank.close();
const amounts = [...bank.charges.values()].map(({ amount }) => amount);
isRight &&= amounts.join() === "10,20,30,40" && bank.asked === 6;
console.log(
  `${isRight ? "✓" : "✗"} four payments were charged once each: ${amounts.join(", ")}; the bank was asked ${bank.asked} times, ` +
    "once to no avail, and once again after the crash",
);
process.exitCode = isRight ? 0 : 1;
