// From an execution's events to what its chart shows: who waited, who ran, from when to when. Pure.

const ENDS = { finished: true, canceled: true };

/** Fold events, in order, into `{from, to, phases, steps}`; `to` is null while it is open. */
export function lanes(events) {
  const phases = [];
  const steps = new Map();
  let from = null;
  let to = null;

  const phase = (kind, why, at) => {
    const last = phases.at(-1);
    if (last && last.to === null) {
      if (last.kind === kind && last.why === why) return;
      last.to = at;
    }
    if (kind) phases.push({ kind, why, from: at, to: null });
  };
  const cut = (at, outcome) => {
    for (const step of steps.values()) {
      const bar = step.bars.at(-1);
      if (bar && bar.to === null) Object.assign(bar, { to: at, outcome });
    }
  };
  const step = (index) => {
    if (!steps.has(index)) steps.set(index, { index, name: `step ${index}`, bars: [] });
    return steps.get(index);
  };

  for (const event of events) {
    const at = Date.parse(event.occurred_at);
    const data = event.data ?? {};
    from ??= at;
    switch (event.type) {
      case "execution.created":
        for (const plan of data.steps ?? []) {
          Object.assign(step(plan.index), {
            name: plan.step_id,
            scope: plan.scope,
            done: plan.index < (data.first_step ?? 1),
          });
        }
        phase("waiting", data.waits_for?.length ? "another execution" : "a worker", at);
        break;
      case "execution.scheduled":
        phase("waiting", "its time", at);
        break;
      case "execution.released":
        phase("waiting", "a worker", at);
        break;
      case "execution.started":
        phase("running", data.worker ?? "", at);
        break;
      case "execution.pause_requested":
      case "execution.cancel_requested":
        if (phases.at(-1)?.kind === "running") phase("stopping", phases.at(-1).why, at);
        break;
      case "execution.paused":
        phase("paused", "", at);
        cut(at, "cut");
        break;
      case "execution.resumed":
        phase("waiting", "a worker", at);
        break;
      case "execution.lease_lost":
        phase("waiting", "a worker, after one was lost", at);
        cut(at, "cut");
        break;
      case "execution.retry_scheduled":
        phase("waiting", `attempt ${data.attempt ?? ""}`.trim(), at);
        cut(at, "cut");
        break;
      case "step.started":
        step(data.index).bars.push({
          attempt: data.attempt ?? 1,
          from: at,
          to: null,
          outcome: null,
        });
        break;
      case "step.finished": {
        const bars = step(data.index).bars;
        if (!bars.length || bars.at(-1).to !== null)
          bars.push({ attempt: data.attempt ?? 1, from: at, to: null });
        Object.assign(bars.at(-1), { to: at, outcome: data.outcome });
        break;
      }
      case "execution.finished":
      case "execution.canceled":
        phase(null, "", at);
        cut(at, "cut");
        to = at;
        break;
    }
  }
  return { from, to, phases, steps: [...steps.values()].sort((a, b) => a.index - b.index) };
}

/** Whether an event ends an execution. */
export const isEnd = (event) => Boolean(ENDS[event.type.replace("execution.", "")]);

/** How long was waited and how long was run, in ms; what still goes on counts until `now`. */
export function sums(phases, now) {
  const sum = { waiting: 0, running: 0, paused: 0 };
  for (const phase of phases) {
    const kind = phase.kind === "stopping" ? "running" : phase.kind;
    sum[kind] += Math.max(0, (phase.to ?? now) - phase.from);
  }
  return sum;
}
