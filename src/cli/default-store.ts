import { isAbsolute, join } from "node:path";

/** What the place of the default store depends on. */
export interface UserPlaces {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The user's folder for state that outlives a process: `$XDG_STATE_HOME/leasehold` or `~/.local/state/leasehold`;
 * `~/Library/Application Support/leasehold` on macOS; `%LOCALAPPDATA%\leasehold` on Windows. `XDG_STATE_HOME` counts
 * everywhere, and as its specification demands only if it is absolute.
 */
export function stateFolder({ platform, home, environment }: UserPlaces): string {
  const { XDG_STATE_HOME: xdg, LOCALAPPDATA: local } = environment;
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, "leasehold");
  if (platform === "darwin") return join(home, "Library", "Application Support", "leasehold");
  if (platform === "win32") return join(local || join(home, "AppData", "Local"), "leasehold");
  return join(home, ".local", "state", "leasehold");
}

/** The `sqlite:` URL of a file, whatever its path holds. */
export function sqliteUrl(path: string): string {
  return `sqlite:${encodePath(path)}`;
}

/** A URL that means the same in every working directory: only that of a SQLite file can be relative. */
export function absoluteUrl(url: string, workingFolder: string): string {
  const path = /^sqlite:(?!\/)([^?#]+)/.exec(url)?.[1];
  // What the backend refuses stays as it was written: ~ and :memory: would become names of files.
  if (path === undefined || isAbsolute(path) || path === ":memory:" || path.startsWith("~")) return url;
  return `sqlite:${encodePath(workingFolder)}/${url.slice("sqlite:".length).replace(/^(\.\/+)+(?=[^?#])/, "")}`;
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
