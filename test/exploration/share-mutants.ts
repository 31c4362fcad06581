import { admit, predecessors, type Roster, reweigh, standing } from "../../src/roster/roster.ts";
import type { ClientStyle } from "./client-moves.ts";
import type { Mutant } from "./mutants.ts";
import type { Faults } from "./roster-board.ts";
import { RosterWorld, type RosterWorldOptions } from "./roster-world.ts";
import type { Conduct, RosterRules } from "./rules.ts";

const noFaults: Faults = { crashes: 0, expiries: 0, lostReplies: 0, staleReads: 0, cancels: 0 };
const reader: ClientStyle = { asks: "wait", weight: 1, wallMs: 0 };
const upgradeable: ClientStyle = {
  ...{ ...reader, weight: 3 },
  share: { from: 3, most: 5, below: { 5: 3 }, upgrades: 2, downgrades: 1 },
};
const two: RosterWorldOptions = {
  ...{ capacity: 5, acquires: 1, clients: [reader, upgradeable], faults: noFaults, doConflictsTell: true },
};

function mutant(
  title: string,
  breaks: string,
  faults: Partial<Faults>,
  changed: { readonly rules?: Partial<RosterRules>; readonly conduct?: Partial<Conduct> },
  clients = two.clients,
): Mutant {
  const options = { ...two, clients, faults: { ...noFaults, ...faults } };
  return { title, breaks, world: () => new RosterWorld(options, changed.rules, changed.conduct) };
}

/** The roster as if nobody waited for more. */
function contented(roster: Roster): Roster {
  return { ...roster, holders: roster.holders.map(({ wants: _, ...holder }) => holder) };
}

/** Bugs of grants that change their weight. */
export const shareMutants: readonly Mutant[] = [
  mutant(
    "admit lets others in before a holder that waits for more",
    "nobody is admitted before who grows",
    {},
    {
      rules: {
        admit: (roster, wallMs) => {
          const wishes = new Map(roster.holders.map((holder) => [holder.session, holder.wants]));
          const admitted = admit(contented(roster), wallMs);
          const holders = admitted.holders.map((holder) => {
            const wants = wishes.get(holder.session);
            return wants === undefined ? holder : { ...holder, wants };
          });
          return admit({ ...admitted, holders }, wallMs);
        },
      },
    },
    [reader, reader, upgradeable],
  ),
  mutant(
    "a holder that has grown keeps its fence",
    "fences are unique and rise",
    {},
    {
      rules: {
        admit: (roster, wallMs) => {
          const fences = new Map(roster.holders.map(({ session, fence }) => [session, fence]));
          const admitted = admit(roster, wallMs);
          const holders = admitted.holders.map((holder) => ({
            ...holder,
            fence: fences.get(holder.session) ?? holder.fence,
          }));
          return { ...admitted, holders };
        },
      },
    },
  ),
  mutant(
    "a holder grows where there is no room for it",
    "the capacity is never exceeded",
    {},
    {
      rules: {
        admit: (roster, wallMs) => {
          const isGrowing = roster.holders.some(({ wants }) => wants !== undefined);
          if (!isGrowing) return admit(roster, wallMs);
          return { ...admit({ ...roster, capacity: 99 }, wallMs), capacity: roster.capacity };
        },
      },
    },
  ),
  mutant(
    "only its own write lets a holder grow",
    "nobody waits for what is free",
    {},
    {
      rules: {
        admit: (roster, wallMs) => {
          const free = roster.holders.reduce((left, { weight }) => left - weight, roster.capacity);
          const [alone] = roster.holders;
          return roster.holders.length === 1 && alone?.wants !== undefined && free > 0
            ? roster
            : admit(roster, wallMs);
        },
      },
    },
  ),
  mutant(
    "more is taken at once",
    "fences are unique and rise",
    {},
    {
      rules: {
        reweigh: (roster, id, weight) => {
          const { holders, ...rest } = reweigh(roster, id, weight);
          return {
            ...rest,
            holders: holders.map(({ wants, ...it }) => ({ ...it, weight: wants ?? it.weight })),
          };
        },
      },
    },
  ),
  mutant(
    "the own weight does not take back what was waited for",
    "nothing is left behind",
    { cancels: 1 },
    {
      rules: {
        reweigh: (roster, id, weight) => {
          const place = standing(roster, id);
          const isSame = place.place === "growing" && place.holder.weight === weight;
          return isSame ? roster : reweigh(roster, id, weight);
        },
      },
    },
  ),
  mutant(
    "who waits for more is taken for one that has it",
    "who counts on a weight has it",
    {},
    {
      rules: {
        standing: (roster, id) => {
          const place = standing(roster, id);
          return place.place === "growing" ? { place: "holder", holder: place.holder } : place;
        },
      },
    },
  ),
  mutant(
    "who waits for more watches nobody",
    "nobody is stuck",
    { crashes: 1 },
    {
      rules: {
        predecessors: (roster, position, self) => (self === undefined ? predecessors(roster, position) : []),
      },
    },
  ),
  mutant(
    "an upgrade believes an old read",
    "who counts on a weight has it",
    { staleReads: 1 },
    { conduct: { asksForLargerFence: false } },
  ),
  mutant(
    "an upgrade believes an old read of one that was given up",
    "who counts on a weight has it",
    { staleReads: 1, cancels: 1 },
    { conduct: { countsFromOwnWrite: false } },
  ),
  mutant(
    "an upgrade that is given up stays in the roster",
    "nothing is left behind",
    { cancels: 1 },
    { conduct: { undoesUpgrades: false } },
  ),
  mutant(
    "an upgrade is taken back once only",
    "nothing is left behind",
    { cancels: 1, lostReplies: 1 },
    { conduct: { undoIsRepeated: false } },
  ),
  mutant(
    "an upgrade is taken back after the next one was asked for",
    "who counts on a weight has it",
    { cancels: 1, lostReplies: 1 },
    { conduct: { undoKeepsItsPlace: false } },
  ),
  mutant(
    "who upgrades after a downgrade that failed does not ask",
    "who counts on a weight has it",
    { lostReplies: 1 },
    { conduct: { trustsFailedDowngrade: true } },
  ),
];
