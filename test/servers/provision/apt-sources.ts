/** Names by which a machine's own sources may call its release. */
const aliases = ["stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"];

/** A file of apt's sources: its name decides the format. */
export interface SourcesFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Gives a machine's apt sources for another release of the same distribution.
 *
 * Only binary entries whose suite is exactly the machine's own release are kept, so that updates, security
 * and back-ports fall away. Mirrors, components, keyrings and options stay as the machine has them.
 *
 * @param codename the machine's own release, `VERSION_CODENAME` of `/etc/os-release`
 */
export function sourcesOfRelease(
  files: readonly SourcesFile[],
  codename: string,
  release: string,
): SourcesFile[] {
  const own = new Set([codename, ...aliases]);
  const changed = files.map(({ name, text }) => {
    const change = name.endsWith(".sources") ? changeStanzas : changeLines;
    return { name, text: change(text, own, release) };
  });
  return changed.filter((file) => file.text !== "");
}

function changeStanzas(text: string, own: ReadonlySet<string>, release: string): string {
  const withoutComments = text.replaceAll(/^#.*\n?/gm, "");
  const kept: string[] = [];
  for (const stanza of withoutComments.split(/\n[ \t]*\n/)) {
    const suites = fieldOf(stanza, "Suites").split(/\s+/);
    const isBinary = fieldOf(stanza, "Types").split(/\s+/).includes("deb");
    const isEnabled = fieldOf(stanza, "Enabled").toLowerCase() !== "no";
    if (!isBinary || !isEnabled || !suites.some((suite) => own.has(suite))) continue;
    kept.push(
      stanza
        .trim()
        .replace(fieldPattern("Suites"), `Suites: ${release}`)
        .replace(fieldPattern("Types"), "Types: deb"),
    );
  }
  return kept.map((stanza) => `${stanza}\n`).join("\n");
}

function changeLines(text: string, own: ReadonlySet<string>, release: string): string {
  const kept: string[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line);
    if (match === null || !own.has(match[3] ?? "")) continue;
    kept.push(`deb ${match[1] ?? ""}${match[2]} ${release} ${match[4]}\n`);
  }
  return kept.join("");
}

function fieldOf(stanza: string, field: string): string {
  const match = fieldPattern(field).exec(stanza);
  return match === null ? "" : match[0].slice(field.length + 1).trim();
}

/** A field of a stanza with its continuation lines. */
function fieldPattern(field: string): RegExp {
  return new RegExp(`^${field}:.*(?:\\n[ \\t].*)*`, "im");
}
