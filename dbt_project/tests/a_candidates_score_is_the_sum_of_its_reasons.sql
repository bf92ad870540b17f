-- By the reasons that are named, by those of the open ticket itself, and in order: places count from 1 by score.
with named as (

    select
        candidates.connection_id,
        candidates.ticket_id,
        sum(weights.weight) as score
    from {{ ref('triage_candidates') }} as candidates
    inner join {{ ref('stg_seeds__triage_weights') }} as weights
        on cast(candidates.reasons as {{ dbt.type_string() }}) like '%"' || weights.reason || '"%'
    group by candidates.connection_id, candidates.ticket_id

),

owed as (

    select
        tickets.connection_id,
        tickets.ticket_id,
        sum(weights.weight) as score
    from {{ ref('open_tickets') }} as tickets
    inner join {{ ref('stg_seeds__triage_weights') }} as weights
        on
            weights.weight <> 0
            and case weights.reason
                when 'sla_breached' then tickets.overdue_sla_count > 0
                when 'sla_at_risk' then tickets.overdue_sla_count = 0 and tickets.at_risk_sla_count > 0
                when 'unassigned' then tickets.assignee_user_id is null
                when 'waiting_long'
                    then tickets.waiting_on = 'us' and tickets.waiting_seconds >= {{ var('triage_waiting_seconds') }}
                when 'reopened' then tickets.observed_reopen_count > 0
                when 'vip' then tickets.is_vip
                when 'no_category' then not tickets.has_category
            end
    group by tickets.connection_id, tickets.ticket_id

),

candidates as (

    select
        *,
        row_number() over (order by place) as counted_place,
        lag(score) over (order by place) as score_before
    from {{ ref('triage_candidates') }}

)

select
    coalesce(candidates.connection_id, owed.connection_id) as connection_id,
    coalesce(candidates.ticket_id, owed.ticket_id) as ticket_id,
    candidates.score,
    named.score as named_score,
    owed.score as owed_score
from candidates
full outer join owed
    on
        candidates.connection_id = owed.connection_id
        and candidates.ticket_id = owed.ticket_id
left join named
    on
        candidates.connection_id = named.connection_id
        and candidates.ticket_id = named.ticket_id
where
    {{ differs('candidates.score', 'owed.score') }}
    or {{ differs('candidates.score', 'named.score') }}
    or candidates.place <> candidates.counted_place
    or candidates.score > candidates.score_before
