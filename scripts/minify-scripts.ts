/**
 * Writes the programs in `dist` without line breaks and with short names for local variables; the names of functions and
 * classes stay, for whoever reads a stack. Half of what would be downloaded otherwise. The last step of the build.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { minify } from "terser";

const root = resolve(import.meta.dirname, "..");
for (const file of globSync("dist/**/*.js", { cwd: root })) {
  const path = join(root, file);
  const { code } = await minify(readFileSync(path, "utf8"), {
    module: true,
    compress: false,
    mangle: { keep_classnames: true, keep_fnames: true },
  });
  if (code === undefined) throw new Error(`${file} could not be minified`);
  writeFileSync(path, code);
}
