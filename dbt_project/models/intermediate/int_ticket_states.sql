{{ config(materialized='table') }}

with tickets as (

    select
        connection_id,
        ticket_id,
        customer_id,
        priority,
        assignee_user_id,
        opened_at,
        updated_at,
        closed_at,
        data_as_of,
        not is_closed as is_open,
        coalesce(is_history_complete, false) as is_history_complete
    from {{ ref('tickets') }}
    where not is_deleted and kind not in ('spam', 'merged')

),

records as (

    select
        connection_id,
        ticket_id,
        coalesce(category_id, category_text) as category,
        observed_at
    from {{ ref('stg_unified__tickets') }}

),

customer_tiers as (

    select * from {{ ref('int_customers_tiered') }}

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
        is_current
    from {{ ref('ticket_periods') }}

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
        has_periods and was_first_open and is_history_complete as is_observed
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
        true as is_observed
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
        true as is_observed
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
        coalesce(closed_at, updated_at, last_observed_from, observed_at) as told_from_at,
        has_periods as is_observed
    from tickets_beside_periods
    where is_unlike_last_period or (not has_periods and not is_open)

),

-- Times never run backwards, nor do days where a clock goes back over midnight.
timed_starts as (

    select
        starts.connection_id,
        starts.ticket_id,
        starts.place,
        starts.is_open,
        starts.category,
        starts.priority,
        starts.assignee_user_id,
        starts.is_observed,
        tickets.customer_id,
        customer_tiers.customer_tier,
        max(starts.told_from_at) over ticket as from_at,
        max({{ counted_day('starts.told_from_at', 'tickets.data_as_of') }}) over ticket as from_on,
        starts.place = 0
        or {{ differs('starts.is_open', 'lag(starts.is_open) over ticket') }}
        or {{ differs('starts.category', 'lag(starts.category) over ticket') }}
        or {{ differs('starts.priority', 'lag(starts.priority) over ticket') }}
        or {{ differs('starts.assignee_user_id', 'lag(starts.assignee_user_id) over ticket') }}
        or {{ differs('starts.is_observed', 'lag(starts.is_observed) over ticket') }} as is_unlike_before
    from starts
    inner join tickets
        on
            starts.connection_id = tickets.connection_id
            and starts.ticket_id = tickets.ticket_id
    left join customer_tiers
        on
            tickets.connection_id = customer_tiers.connection_id
            and tickets.customer_id = customer_tiers.customer_id
    window ticket as (partition by starts.connection_id, starts.ticket_id order by starts.place)

)

select
    connection_id,
    ticket_id,
    row_number() over ticket as state_number,
    customer_id,
    customer_tier,
    is_open,
    category,
    priority,
    assignee_user_id,
    from_at,
    lead(from_at) over ticket as until_at,
    from_on,
    is_observed
from timed_starts
where is_unlike_before and from_at is not null
window ticket as (partition by connection_id, ticket_id order by place)
