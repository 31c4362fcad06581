import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import type { ClusterHost } from "../../servers/nats-cluster.ts";
import { runCommand } from "../../servers/run-command.ts";
import { type Guard, whenGone } from "./guard.ts";
import { isAlive } from "./processes.ts";

const commandTimeoutMs = 20_000;
/** A network has 254 addresses, and one is this process's. */
const hostsMax = 32;
const subnetAttemptsMax = 50;

// Nothing runs in the namespaces but what this process started there.
const guardScript = `
links=$1
shift
for namespace; do
  for pid in $(ip netns pids "$namespace" 2>/dev/null); do kill -9 "$pid"; done
  ip netns del "$namespace" 2>/dev/null
done
for link in $links; do ip link del "$link" 2>/dev/null; done
`;

/** A machine of a test's network: a network namespace with an address of its own. */
export interface NetworkHost extends ClusterHost {
  readonly name: string;
  /** Starts a command there; the child's process id is the command's own. */
  start(command: readonly [string, ...string[]], options?: SpawnOptions): ChildProcess;
}

/** One side of a partition: hosts, or "outside" for everything on this machine that is in none of them. */
export type NetworkSide = readonly (NetworkHost | "outside")[];

/**
 * Machines on one network, which this process is on as well. Faults add up until they are healed: packets vanish
 * without an answer, and connections live on as long as their ends are patient.
 */
export interface TestNetwork extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[];
  /** The address of this process, for the hosts. */
  readonly address: string;
  /** Drops all that goes between the two sides. */
  partition(some: NetworkSide, others: NetworkSide): Promise<void>;
  /** Drops what goes from the first to the second side, and lets through what comes back. */
  block(from: NetworkSide, to: NetworkSide): Promise<void>;
  /** Drops each packet between the two sides with a probability, each way. */
  lose(some: NetworkSide, others: NetworkSide, probability: number): Promise<void>;
  /** Ends all faults. */
  heal(): Promise<void>;
  /** Ends all processes on the hosts and removes everything. */
  close(): Promise<void>;
}

let networks = 0;

/** Makes so many hosts. What killed tests left of theirs is removed on the way. */
export async function testNetwork({ size }: { readonly size: number }): Promise<TestNetwork> {
  if (!(size >= 1 && size <= hostsMax)) throw new Error(`a network has 1 to ${hostsMax} hosts, got ${size}`);
  await removeLeftovers();
  const index = ++networks;
  // Names of interfaces have at most 15 characters.
  const bridge = `lh-${process.pid.toString(36)}-${index}`;
  const namespaces = Array.from(
    { length: size },
    (_, host) => `leasehold-${process.pid}-${index}-${host + 1}`,
  );
  const outerEnds = namespaces.map((_, host) => `${bridge}-${host + 1}`);
  const links = [...outerEnds, bridge];
  const guard = whenGone(guardScript, links.join(" "), ...namespaces);
  try {
    const subnet = await makeBridge(bridge);
    for (const [host, namespace] of namespaces.entries()) {
      const outer = outerEnds[host] as string;
      await run("ip", "netns", "add", namespace);
      await run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      await run("ip", "link", "set", outer, "master", bridge, "up");
      await run("ip", "-n", namespace, "address", "add", `${subnet}.${host + 2}/24`, "dev", "eth0");
      for (const device of ["eth0", "lo"]) await run("ip", "-n", namespace, "link", "set", device, "up");
    }
    const hosts = namespaces.map((name, host) => hostOf(name, `${subnet}.${host + 2}`));
    return networkOf(hosts, `${subnet}.1`, () => remove(links, namespaces, guard));
  } catch (error) {
    await remove(links, namespaces, guard);
    throw error;
  }
}

function hostOf(name: string, address: string): NetworkHost {
  // Not `ip netns exec`: it gives the command mounts of its own, which keep disks busy that others unmount.
  const command = (inside: readonly [string, ...string[]]) =>
    ["nsenter", `--net=/run/netns/${name}`, "--", ...inside] as const;
  return {
    name,
    address,
    command,
    start(inside, options = {}) {
      const [file, ...args] = command(inside);
      return spawn(file, args, options);
    },
  };
}

function networkOf(hosts: readonly NetworkHost[], address: string, close: () => Promise<void>): TestNetwork {
  const addressOf = (member: NetworkHost | "outside") => (member === "outside" ? address : member.address);

  async function drop(from: NetworkSide, to: NetworkSide, more: readonly string[] = []): Promise<void> {
    for (const sender of from) {
      for (const receiver of to) {
        if (sender === receiver) throw new Error("a host can't be on both sides");
        // On arrival, where the sender does not notice; the outside's own rules are none of ours.
        if (receiver !== "outside") {
          await addRule(receiver, ["INPUT", "-s", addressOf(sender), ...more]);
        } else if (sender !== "outside") {
          await addRule(sender, ["OUTPUT", "-d", address, ...more]);
        }
      }
    }
  }

  return {
    hosts,
    address,
    async partition(some, others) {
      await Promise.all([drop(some, others), drop(others, some)]);
    },
    block: (from, to) => drop(from, to),
    async lose(some, others, probability) {
      if (!(probability >= 0 && probability <= 1)) {
        throw new Error(`a probability is from 0 to 1, got ${probability}`);
      }
      const more = ["-m", "statistic", "--mode", "random", "--probability", String(probability)];
      await Promise.all([drop(some, others, more), drop(others, some, more)]);
    },
    async heal() {
      await Promise.all(hosts.map((host) => run(...host.command(["iptables", "-w", "--flush"]))));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function addRule(host: NetworkHost, rule: readonly string[]): Promise<void> {
  await run(...host.command(["iptables", "-w", "-A", ...rule, "-j", "DROP"]));
}

/** Makes a bridge with the first address of a network that nobody else on this machine uses; gives its prefix. */
async function makeBridge(bridge: string): Promise<string> {
  await run("ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0");
  await run("ip", "link", "set", bridge, "up");
  for (let attempt = 0; attempt < subnetAttemptsMax; attempt++) {
    // Of the range that is reserved for tests of networks (RFC 2544).
    const subnet = `198.18.${Math.floor(Math.random() * 256)}`;
    const address = `${subnet}.1/24`;
    if ((await countOfAddress(subnet)) > 0) continue;
    await run("ip", "address", "add", address, "dev", bridge);
    // Another process may have chosen the same at the same time.
    if ((await countOfAddress(subnet)) === 1) return subnet;
    await run("ip", "address", "del", address, "dev", bridge);
  }
  throw new Error(`no free network 198.18.x.0/24 found in ${subnetAttemptsMax} attempts`);
}

async function countOfAddress(subnet: string): Promise<number> {
  return (await run("ip", "-o", "-4", "address")).split(` ${subnet}.`).length - 1;
}

async function remove(links: readonly string[], namespaces: readonly string[], guard?: Guard): Promise<void> {
  const there = await namespacesThere();
  for (const namespace of namespaces.filter((name) => there.includes(name))) {
    const pids = (await run("ip", "netns", "pids", namespace)).split("\n").filter(Boolean).map(Number);
    for (const pid of pids) kill(pid);
    await run("ip", "netns", "del", namespace);
  }
  // Not left to the end of the namespaces: connections that the kernel still closes can hold that up for minutes.
  for (const link of links) {
    await run("ip", "link", "del", link).catch(async (error: unknown) => {
      if ((await linksThere()).includes(link)) throw error;
    });
  }
  guard?.dismiss();
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended in between.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Removes the networks of processes that are gone, unless another process is just doing it. */
async function removeLeftovers(): Promise<void> {
  const ofNamespace = /^leasehold-(\d+)-\d+-\d+$/;
  const ofLink = /^lh-([0-9a-z]+)-\d+(-\d+)?$/;
  const isLeftover = (pid: string | undefined, radix: number) =>
    pid !== undefined && !isAlive(Number.parseInt(pid, radix));
  const namespaces = (await namespacesThere()).filter((name) => isLeftover(ofNamespace.exec(name)?.[1], 10));
  const links = (await linksThere()).filter((name) => isLeftover(ofLink.exec(name)?.[1], 36));
  const removals = [...namespaces.map((namespace) => remove([], [namespace])), remove(links, [])];
  for (const removal of await Promise.allSettled(removals)) {
    if (removal.status === "fulfilled") continue;
    if (!/No such file/.test(String(removal.reason))) throw removal.reason;
  }
}

async function namespacesThere(): Promise<readonly string[]> {
  const lines = (await run("ip", "netns", "list")).split("\n").filter(Boolean);
  return lines.map((line) => line.split(" ")[0] ?? "");
}

async function linksThere(): Promise<readonly string[]> {
  const lines = (await run("ip", "-o", "link", "show")).split("\n").filter(Boolean);
  return lines.map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? "");
}

async function run(...command: [string, ...string[]]): Promise<string> {
  return (await runCommand(command, { timeoutMs: commandTimeoutMs })).stdout;
}

let checked: Promise<string | undefined> | undefined;

/** Why there are no networks here: one is tried out once. What helps then is {@link tcpProxy}'s `halfOpen`. */
export function missing(): Promise<string | undefined> {
  checked ??= check();
  return checked;
}

async function check(): Promise<string | undefined> {
  const instead = "; clients can still be cut off by the TCP proxy's halfOpen()";
  if (process.platform !== "linux")
    return `network namespaces are Linux's, this is ${process.platform}${instead}`;
  if (process.getuid?.() !== 0) return `not root: network namespaces need it${instead}`;
  for (const [program, ...args] of [
    ["ip", "-V"],
    ["iptables", "--version"],
    ["nsenter", "--version"],
  ] as const) {
    const works = await run(program, ...args).then(
      () => true,
      () => false,
    );
    if (!works) return `${program} is not installed: apt-get install iproute2 iptables util-linux${instead}`;
  }
  try {
    await using network = await testNetwork({ size: 2 });
    const [first, second] = network.hosts as [NetworkHost, NetworkHost];
    await network.lose([first], [second, "outside"], 0);
    // A port where nobody listens: only a host that is reached can refuse.
    const program = `require("node:net").connect(1, process.argv[1]).on("error", ({ code }) => console.log(code))`;
    const said = await run(...first.command([process.execPath, "-e", program, second.address]));
    return said.trim() === "ECONNREFUSED"
      ? undefined
      : `hosts do not reach each other: ${said.trim()}${instead}`;
  } catch (error) {
    return `no network can be made: ${(error as Error).message.replaceAll("\n", " ").trim()}${instead}`;
  }
}
