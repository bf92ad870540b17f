-- It was not so at observed_after, it was at observed_by, and changed_at lies between; of a ticket no change comes before
-- an earlier one, unless it was seen before that one.
with changes as (

    select
        *,
        max(changed_at) over (
            partition by connection_id, ticket_id order by change_number
            rows between unbounded preceding and 1 preceding
        ) as changed_at_before
    from {{ ref('ticket_changes') }}

)

select *
from changes
where
    observed_after > changed_at
    or changed_at > observed_by
    or (changed_at < changed_at_before and changed_at < observed_by)
    or uncertainty_seconds <> {{ seconds_between('observed_after', 'observed_by') }}
