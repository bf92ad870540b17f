with tickets as (

    select
        connection_id,
        ticket_id,
        is_closed,
        is_answered,
        is_conversation_known,
        first_replied_at,
        first_reply_seconds,
        resolution_seconds
    from {{ ref('tickets') }}
    where not is_deleted and kind not in ('spam', 'merged')

),

connections as (

    select
        connection_id,
        integration_type,
        data_as_of,
        {{ last_counted_day('data_as_of') }} as last_counted_on
    from {{ ref('int_connections_covered') }}

),

employees as (

    select
        connection_id,
        employee_id,
        employee_name
    from {{ ref('stg_unified__employees') }}

),

categories as (

    select * from {{ ref('int_categories_named') }}

),

states as (

    select * from {{ ref('int_ticket_states') }}

),

-- What has a time of its own, on tickets whose conversation is known.
moments as (

    select
        messages.connection_id,
        messages.ticket_id,
        messages.sent_at as happened_at,
        case when messages.side = 'customer' then 1 else 0 end as customer_message_count,
        case when messages.is_agent_reply then 1 else 0 end as agent_reply_count,
        cast(null as bigint) as first_reply_seconds,
        cast(null as bigint) as wait_seconds
    from {{ ref('conversation_messages') }} as messages
    where messages.side = 'customer' or messages.is_agent_reply
    union all
    select
        connection_id,
        ticket_id,
        first_replied_at as happened_at,
        0 as customer_message_count,
        0 as agent_reply_count,
        first_reply_seconds,
        null as wait_seconds
    from tickets
    where first_reply_seconds is not null
    union all
    select
        connection_id,
        ticket_id,
        ended_at as happened_at,
        0 as customer_message_count,
        0 as agent_reply_count,
        null as first_reply_seconds,
        wait_seconds
    from {{ ref('conversation_turns') }}
    where side = 'customer' and is_answered and wait_seconds is not null

),

-- Each under what its ticket was at that moment; what lies before its opening, under what it was then.
figures as (

    select
        states.connection_id,
        {{ counted_day('moments.happened_at', 'connections.last_counted_on') }} as day_on,
        states.category,
        states.priority,
        states.assignee_user_id,
        states.customer_tier,
        0 as opened_count,
        0 as reopened_count,
        0 as closed_count,
        moments.customer_message_count,
        moments.agent_reply_count,
        moments.first_reply_seconds,
        moments.wait_seconds,
        cast(null as bigint) as resolution_seconds,
        true as is_conversation_known,
        cast(null as boolean) as cohort_is_answered,
        cast(null as boolean) as cohort_is_closed,
        cast(null as bigint) as cohort_first_reply_seconds,
        cast(null as bigint) as cohort_resolution_seconds
    from moments
    inner join tickets
        on
            moments.connection_id = tickets.connection_id
            and moments.ticket_id = tickets.ticket_id
            and tickets.is_conversation_known
    inner join connections
        on moments.connection_id = connections.connection_id
    inner join states
        on
            moments.connection_id = states.connection_id
            and moments.ticket_id = states.ticket_id
            and (moments.happened_at >= states.from_at or states.state_number = 1)
            and coalesce(moments.happened_at < states.until_at, true)
    where moments.happened_at is not null
    union all
    select
        flows.connection_id,
        flows.day_on,
        flows.category,
        flows.priority,
        flows.assignee_user_id,
        flows.customer_tier,
        flows.opened_count,
        flows.reopened_count,
        flows.closed_count,
        0 as customer_message_count,
        0 as agent_reply_count,
        null as first_reply_seconds,
        null as wait_seconds,
        case when flows.is_last_closing then tickets.resolution_seconds end as resolution_seconds,
        tickets.is_conversation_known,
        case when flows.opened_count = 1 then tickets.is_answered end as cohort_is_answered,
        case when flows.opened_count = 1 then tickets.is_closed end as cohort_is_closed,
        case when flows.opened_count = 1 then tickets.first_reply_seconds end as cohort_first_reply_seconds,
        case when flows.opened_count = 1 then tickets.resolution_seconds end as cohort_resolution_seconds
    from {{ ref('int_ticket_flows') }} as flows
    inner join tickets
        on
            flows.connection_id = tickets.connection_id
            and flows.ticket_id = tickets.ticket_id
    where flows.opened_count + flows.reopened_count + flows.closed_count > 0

),

days as (

    select
        connection_id,
        day_on,
        category,
        priority,
        assignee_user_id,
        customer_tier,
        cast(sum(opened_count) as bigint) as opened_count,
        cast(sum(reopened_count) as bigint) as reopened_count,
        cast(sum(closed_count) as bigint) as closed_count,
        max(case when is_conversation_known then 1 else 0 end) as known_conversation,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        count(first_reply_seconds) as first_reply_count,
        cast(coalesce(sum(first_reply_seconds), 0) as bigint) as first_reply_seconds_sum,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        count(wait_seconds) as answered_turn_count,
        cast(coalesce(sum(wait_seconds), 0) as bigint) as wait_seconds_sum,
        count(resolution_seconds) as resolved_count,
        cast(coalesce(sum(resolution_seconds), 0) as bigint) as resolution_seconds_sum,
        {{ median_seconds('resolution_seconds') }} as median_resolution_seconds,
        count(cohort_is_closed) as cohort_ticket_count,
        count(case when cohort_is_closed is not null and is_conversation_known then 1 end)
            as cohort_known_conversation_ticket_count,
        count(cohort_is_answered) as cohort_told_ticket_count,
        count(case when cohort_is_answered then 1 end) as cohort_answered_ticket_count,
        count(case when cohort_is_closed then 1 end) as cohort_closed_ticket_count,
        count(cohort_first_reply_seconds) as cohort_first_reply_count,
        cast(coalesce(sum(cohort_first_reply_seconds), 0) as bigint) as cohort_first_reply_seconds_sum,
        {{ median_seconds('cohort_first_reply_seconds') }} as cohort_median_first_reply_seconds,
        count(cohort_resolution_seconds) as cohort_resolved_count,
        cast(coalesce(sum(cohort_resolution_seconds), 0) as bigint) as cohort_resolution_seconds_sum,
        {{ median_seconds('cohort_resolution_seconds') }} as cohort_median_resolution_seconds
    from figures
    group by connection_id, day_on, category, priority, assignee_user_id, customer_tier

),

told_days as (

    select
        *,
        known_conversation = 1 as is_conversation_known,
        cohort_ticket_count = 0 or cohort_known_conversation_ticket_count > 0 as is_cohort_known,
        cohort_ticket_count = 0 or cohort_told_ticket_count > 0 as is_cohort_told
    from days

)

select
    told_days.connection_id,
    told_days.day_on,
    told_days.category,
    told_days.priority,
    told_days.assignee_user_id,
    told_days.customer_tier,
    connections.integration_type,
    categories.category_name,
    employees.employee_name as assignee_name,
    told_days.opened_count,
    told_days.reopened_count,
    told_days.closed_count,
    case when told_days.is_conversation_known then told_days.customer_message_count end as customer_message_count,
    case when told_days.is_conversation_known then told_days.agent_reply_count end as agent_reply_count,
    case when told_days.is_conversation_known then told_days.first_reply_count end as first_reply_count,
    case when told_days.is_conversation_known then told_days.first_reply_seconds_sum end as first_reply_seconds_sum,
    told_days.median_first_reply_seconds,
    case when told_days.is_conversation_known then told_days.answered_turn_count end as answered_turn_count,
    case when told_days.is_conversation_known then told_days.wait_seconds_sum end as wait_seconds_sum,
    told_days.resolved_count,
    told_days.resolution_seconds_sum,
    told_days.median_resolution_seconds,
    told_days.cohort_ticket_count,
    told_days.cohort_known_conversation_ticket_count,
    case when told_days.is_cohort_told then told_days.cohort_answered_ticket_count end as cohort_answered_ticket_count,
    told_days.cohort_closed_ticket_count,
    case when told_days.is_cohort_known then told_days.cohort_first_reply_count end as cohort_first_reply_count,
    case when told_days.is_cohort_known then told_days.cohort_first_reply_seconds_sum end
        as cohort_first_reply_seconds_sum,
    told_days.cohort_median_first_reply_seconds,
    told_days.cohort_resolved_count,
    told_days.cohort_resolution_seconds_sum,
    told_days.cohort_median_resolution_seconds,
    coalesce(told_days.day_on < {{ local_day('connections.data_as_of') }}, false) as is_day_over,
    connections.data_as_of
from told_days
left join connections
    on told_days.connection_id = connections.connection_id
left join categories
    on
        told_days.connection_id = categories.connection_id
        and told_days.category = categories.category
left join employees
    on
        told_days.connection_id = employees.connection_id
        and told_days.assignee_user_id = employees.employee_id
