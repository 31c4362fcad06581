import type { Socket } from "node:net";

/** What becomes of what arrives: it is sent on, kept until that changes, or taken and thrown away. */
export type ChannelRule = "pass" | "hold" | "swallow";

/** What the channels of one proxy share: the rules of the moment, and where they report. */
export interface ChannelControl {
  rule(): ChannelRule;
  /** How long the next bytes take, in milliseconds. */
  nextDelayMs(): number;
  forwarded(bytes: number): void;
  /** Bytes, or the end of the stream, went missing: the connection can never be whole again. */
  swallowed(bytes: number): void;
}

/** One direction of a connection through the proxy. */
export interface TcpChannel {
  /** To be called when the rule or the delay changed. */
  update(): void;
  /** Sends at once, as far as the rule allows, what a delay kept back. */
  hurry(): void;
  /** Stops its timers; it sends nothing any more. */
  close(): void;
}

/** The stream's own end, or that its sender broke the connection: both travel behind the bytes before them. */
type Ending = "end" | "reset";

interface Parcel {
  readonly content: Buffer | Ending;
  dueAtMs: number;
}

/** What may wait in a channel; more is left to the sender's own buffers, as TCP does it. */
const queuedBytesMax = 1024 * 1024;

/**
 * Carries what `from` sends to `to`, in order, each piece as late as the control says. It reads no more than it can
 * pass on.
 */
export function tcpChannel(from: Socket, to: Socket, control: ChannelControl): TcpChannel {
  const queue: Parcel[] = [];
  let queuedBytes = 0;
  let isBlocked = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  function accept(content: Buffer | Ending): void {
    if (isClosed) return;
    const earliestMs = queue.at(-1)?.dueAtMs ?? 0;
    // Jitter never lets bytes overtake others.
    queue.push({ content, dueAtMs: Math.max(earliestMs, performance.now() + control.nextDelayMs()) });
    queuedBytes += sizeOf(content);
    update();
  }

  function update(): void {
    clearTimeout(timer);
    if (isClosed) return;
    while (deliverNext());
    // A sender that is not read from is slowed down by its own TCP, and its end is not noticed either.
    if (control.rule() === "hold" || isBlocked || queuedBytes >= queuedBytesMax) from.pause();
    else from.resume();
  }

  /** Whether the first parcel left the queue, so that the next one can be looked at. */
  function deliverNext(): boolean {
    const parcel = queue[0];
    const rule = control.rule();
    if (parcel === undefined || rule === "hold" || isClosed) return false;
    const waitMs = parcel.dueAtMs - performance.now();
    if (waitMs > 0) {
      timer = setTimeout(update, waitMs);
      return false;
    }
    if (rule === "pass" && isBlocked) return false;
    queue.shift();
    queuedBytes -= sizeOf(parcel.content);
    if (rule === "swallow") control.swallowed(sizeOf(parcel.content));
    else send(parcel.content);
    return true;
  }

  function send(content: Buffer | Ending): void {
    if (content === "reset") {
      breakConnection(to);
      return;
    }
    if (content === "end") {
      to.end();
      return;
    }
    // It broke, and the channel of the other direction has that to report.
    if (to.destroyed) return;
    control.forwarded(content.length);
    if (to.write(content)) return;
    isBlocked = true;
    to.once("drain", () => {
      isBlocked = false;
      update();
    });
  }

  from.on("data", accept);
  from.on("end", () => accept("end"));
  from.on("error", () => accept("reset"));
  update();
  return {
    update,
    hurry() {
      for (const parcel of queue) parcel.dueAtMs = 0;
      update();
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

/** Ends a connection at once and by a reset, as a crashed machine's does. */
export function breakConnection(socket: Socket): void {
  // A socket that is still connecting, or whose own end is under way, has nothing to reset.
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (socket.connecting || socket.destroyed || isEnding) socket.destroy();
  else socket.resetAndDestroy();
}

function sizeOf(content: Buffer | Ending): number {
  return typeof content === "string" ? 0 : content.length;
}
