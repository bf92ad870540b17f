-- Each begins where the one before ended and is unlike it; the last one alone is current and has no end.
with periods as (

    select
        *,
        row_number() over ticket as counted_number,
        lag(ended_at) over ticket as ended_at_before,
        lead(period_number) over ticket as next_number,
        lead(status) over ticket as next_status,
        lead(vendor_status) over ticket as next_vendor_status,
        lead(assignee_user_id) over ticket as next_assignee_user_id,
        lead(priority) over ticket as next_priority,
        lead(category) over ticket as next_category
    from {{ ref('ticket_periods') }}
    window ticket as (partition by connection_id, ticket_id order by period_number)

)

select *
from periods
where
    period_number <> counted_number
    or is_current <> (next_number is null)
    or is_current <> (ended_at is null)
    or (period_number > 1 and {{ differs('started_at', 'ended_at_before') }})
    or (period_number > 1) <> (start_source = 'change')
    or (started_at is null) <> (start_source = 'unknown')
    or (
        next_number is not null
        and not {{ differs('status', 'next_status') }}
        and not {{ differs('vendor_status', 'next_vendor_status') }}
        and not {{ differs('assignee_user_id', 'next_assignee_user_id') }}
        and not {{ differs('priority', 'next_priority') }}
        and not {{ differs('category', 'next_category') }}
    )
