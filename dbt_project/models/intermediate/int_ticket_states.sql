{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select
        connection_id,
        ticket_id,
        priority,
        assignee_user_id,
        opened_at,
        updated_at,
        closed_at,
        not is_closed as is_open,
        coalesce(is_history_complete, false) as is_history_complete
    from {{ due(ref('tickets')) }} as tickets
    where not is_deleted and kind not in ('spam', 'merged')

),

records as (

    select
        connection_id,
        ticket_id,
        coalesce(category_id, category_text) as category,
        observed_at
    from {{ due(ref('stg_unified__tickets')) }} as tickets

),

periods as (

    select
        connection_id,
        ticket_id,
        period_number,
        status <> 'closed' as is_open,
        category,
        priority,
        assignee_user_id,
        started_at,
        observed_from,
        ended_at,
        is_current,
        has_own_status
    from {{ due(ref('ticket_periods')) }} as periods

),

tickets_beside_periods as (

    select
        tickets.*,
        records.category,
        records.observed_at,
        first_periods.ticket_id is not null as has_periods,
        first_periods.is_open as was_first_open,
        first_periods.category as first_category,
        first_periods.priority as first_priority,
        first_periods.assignee_user_id as first_assignee_user_id,
        first_periods.observed_from as first_observed_from,
        first_periods.ended_at as first_ended_at,
        last_periods.observed_from as last_observed_from,
        coalesce(first_periods.started_at, first_periods.observed_from) as first_started_at,
        tickets.is_open <> last_periods.is_open
        or {{ differs('records.category', 'last_periods.category') }}
        or {{ differs('tickets.priority', 'last_periods.priority') }}
        or {{ differs('tickets.assignee_user_id', 'last_periods.assignee_user_id') }} as is_unlike_last_period
    from tickets
    inner join records
        on
            tickets.connection_id = records.connection_id
            and tickets.ticket_id = records.ticket_id
    left join periods as first_periods
        on
            tickets.connection_id = first_periods.connection_id
            and tickets.ticket_id = first_periods.ticket_id
            and first_periods.period_number = 1
    left join periods as last_periods
        on
            tickets.connection_id = last_periods.connection_id
            and tickets.ticket_id = last_periods.ticket_id
            and last_periods.is_current

),

-- The opening; the first sight; each later period; and the ticket as it is now, where that is something else.
starts as (

    select
        connection_id,
        ticket_id,
        cast(0 as bigint) as place,
        true as is_open,
        case when has_periods then first_category else category end as category,
        case when has_periods then first_priority else priority end as priority,
        case when has_periods then first_assignee_user_id else assignee_user_id end as assignee_user_id,
        coalesce(opened_at, first_started_at, closed_at, updated_at, observed_at) as told_from_at,
        has_periods and was_first_open and is_history_complete as is_observed,
        false as has_own_status
    from tickets_beside_periods
    union all
    select
        connection_id,
        ticket_id,
        1 as place,
        was_first_open as is_open,
        first_category as category,
        first_priority as priority,
        first_assignee_user_id as assignee_user_id,
        case
            when was_first_open then least(first_observed_from, first_ended_at)
            else first_started_at
        end as told_from_at,
        true as is_observed,
        false as has_own_status
    from tickets_beside_periods
    where has_periods
    union all
    select
        periods.connection_id,
        periods.ticket_id,
        periods.period_number as place,
        periods.is_open,
        periods.category,
        periods.priority,
        periods.assignee_user_id,
        periods.started_at as told_from_at,
        true as is_observed,
        periods.has_own_status
    from tickets
    inner join periods
        on
            tickets.connection_id = periods.connection_id
            and tickets.ticket_id = periods.ticket_id
    where periods.period_number > 1
    union all
    select
        connection_id,
        ticket_id,
        9223372036854775807 as place,
        is_open,
        category,
        priority,
        assignee_user_id,
        coalesce(closed_at, updated_at, last_observed_from, observed_at, opened_at) as told_from_at,
        has_periods as is_observed,
        false as has_own_status
    from tickets_beside_periods
    where (has_periods and is_unlike_last_period) or (not has_periods and not is_open)

),

dated_starts as (

    select
        *,
        {{ local_day('told_from_at') }} as told_from_on
    from starts
    where told_from_at is not null

),

-- Times never run backwards, nor do days where a clock goes back over midnight.
timed_starts as (

    select
        *,
        max(told_from_at) over ticket as from_at,
        max(told_from_on) over ticket as from_on,
        coalesce(lag(is_open) over ticket, false) as was_open,
        coalesce(lag(is_open and not is_observed) over ticket, false) as was_unobserved,
        lag(is_observed) over ticket as was_observed,
        lag(category) over ticket as category_before,
        lag(priority) over ticket as priority_before,
        lag(assignee_user_id) over ticket as assignee_user_id_before
    from dated_starts
    window ticket as (partition by connection_id, ticket_id order by place)

),

states as (

    select
        *,
        row_number() over ticket as state_number,
        lead(from_at) over ticket as until_at,
        was_open
        and max(case when is_open then 1 else 0 end) over (
            partition by connection_id, ticket_id order by place
            rows between current row and unbounded following
        ) = 0 as is_last_closing
    from timed_starts
    where
        place = 0
        or is_open <> was_open
        or is_observed <> was_observed
        or {{ differs('category', 'category_before') }}
        or {{ differs('priority', 'priority_before') }}
        or {{ differs('assignee_user_id', 'assignee_user_id_before') }}
    window ticket as (partition by connection_id, ticket_id order by place)

)

select
    connection_id,
    ticket_id,
    state_number,
    is_open,
    category,
    priority,
    assignee_user_id,
    was_open,
    category_before,
    priority_before,
    assignee_user_id_before,
    from_at,
    until_at,
    from_on,
    is_observed,
    was_unobserved,
    is_last_closing,
    is_open and not was_open and has_own_status as is_own_reopening
from states
