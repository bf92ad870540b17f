-- Whatever the calendar and the pauses: more than the target is used only after due_at, and all of it from there on.
select
    connection_id,
    ticket_id,
    metric,
    turn_number,
    outcome,
    elapsed_seconds,
    target_seconds,
    due_at,
    ended_at
from {{ ref('sla_outcomes') }}
where
    (outcome <> 'unknown' and is_breached <> (elapsed_seconds > target_seconds))
    or (outcome = 'unknown') <> (is_breached is null)
    or (
        outcome = 'unknown'
        and elapsed_seconds is not null
        and not (elapsed_seconds > target_seconds and (has_unknown_pauses or has_unknown_author))
    )
    or (is_breached and not coalesce(due_at < coalesce(ended_at, as_of), false))
    or (elapsed_seconds < target_seconds and {{ seconds_between('due_at', 'coalesce(ended_at, as_of)') }} > 0)
    or remaining_seconds <> target_seconds - elapsed_seconds
    or (outcome <> 'unknown' and is_running <> (outcome in ('running', 'paused', 'overdue')))
    or (is_at_risk and outcome <> 'running')
    or due_at < started_at - interval '1 second'
