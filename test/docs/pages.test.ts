// Goal: the pages link to what exists, and the table of errors is complete and right.
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import * as leasehold from "../../src/index.ts";
import { glob, root, textOf } from "../package/sources.ts";

const pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md"].flatMap(glob);

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): readonly string[] {
  const headings =
    textOf(page)
      .replace(/^```[\s\S]*?^```/gm, "")
      .match(/^#+ .*$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("every relative link leads to a file, and to a heading of it", () => {
  const broken = pages.flatMap((page) => {
    const text = textOf(page).replace(/^```[\s\S]*?^```/gm, "");
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) return [`${page}: ${link}`];
      return anchor === undefined || anchorsOf(target).includes(anchor) ? [] : [`${page}: ${link}`];
    });
  });
  expect(broken).toEqual([]);
});

test("every page stands in the index of the documentation", () => {
  const index = textOf("docs/README.md");
  const decisions = textOf("docs/adr/README.md");
  const missing = pages.filter((page) => {
    if (page.startsWith("docs/adr/"))
      return !page.endsWith("README.md") && !decisions.includes(basename(page));
    return page.startsWith("docs/") && page !== "docs/README.md" && !index.includes(`(${basename(page)})`);
  });
  expect(missing).toEqual([]);
});

test("the table of errors has every code, with its class and whether it is retryable", () => {
  const classes = Object.entries(leasehold).filter(
    ([name, value]) => name.endsWith("Error") && "code" in (value as object),
  ) as [string, new (message: string) => leasehold.LeaseholdError][];
  const expected = classes.map(([name, Class]) => {
    const { code, retryable } = new Class("");
    return `${code} ${name} ${retryable ? "yes" : "no"}`;
  });
  const rows = [...textOf("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \|(.*)\|$/gm)];
  const documented = rows.map(([, code, rest = ""]) => {
    const [name = "", , , retryable = ""] = rest.split(" | ").map((cell) => cell.trim().replaceAll("`", ""));
    return `${code} ${name} ${retryable}`;
  });
  expect(documented.sort()).toEqual(expected.sort());
});
