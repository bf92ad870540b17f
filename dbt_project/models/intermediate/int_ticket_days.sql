{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select
        connection_id,
        ticket_id,
        customer_id,
        is_closed,
        is_answered,
        is_conversation_known,
        first_replied_at,
        first_reply_seconds,
        resolution_seconds
    from {{ due(ref('tickets')) }} as tickets
    where not is_deleted and kind not in ('spam', 'merged')

),

states as (

    select * from {{ due(ref('int_ticket_states')) }} as states

),

flows as (

    select * from {{ due(ref('int_ticket_flows')) }} as flows

),

messages as (

    select * from {{ due(ref('conversation_messages')) }} as messages

),

turns as (

    select * from {{ due(ref('conversation_turns')) }} as turns

),

-- What has a time of its own.
moments as (

    select
        connection_id,
        ticket_id,
        sent_at as happened_at,
        case when side = 'customer' then 1 else 0 end as customer_message_count,
        case when is_agent_reply then 1 else 0 end as agent_reply_count,
        cast(null as bigint) as first_reply_seconds,
        cast(null as bigint) as wait_seconds
    from messages
    where side = 'customer' or is_agent_reply
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
    from turns
    where side = 'customer' and is_answered and wait_seconds is not null

),

-- Each under what its ticket was at that moment; what lies before its opening, under what it was then.
figures as (

    select
        states.connection_id,
        states.ticket_id,
        {{ local_day('moments.happened_at') }} as happened_on,
        states.category,
        states.priority,
        states.assignee_user_id,
        0 as opened_count,
        0 as reopened_count,
        0 as own_reopened_count,
        0 as closed_count,
        0 as moved_in_count,
        0 as moved_out_count,
        0 as unobserved_change,
        moments.customer_message_count,
        moments.agent_reply_count,
        moments.first_reply_seconds,
        moments.wait_seconds,
        cast(null as bigint) as resolution_seconds,
        1 as activity
    from moments
    inner join tickets
        on
            moments.connection_id = tickets.connection_id
            and moments.ticket_id = tickets.ticket_id
            and tickets.is_conversation_known
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
        flows.ticket_id,
        flows.happened_on,
        flows.category,
        flows.priority,
        flows.assignee_user_id,
        flows.opened_count,
        flows.reopened_count,
        flows.own_reopened_count,
        flows.closed_count,
        flows.moved_in_count,
        flows.moved_out_count,
        flows.unobserved_change,
        0 as customer_message_count,
        0 as agent_reply_count,
        null as first_reply_seconds,
        null as wait_seconds,
        case when flows.is_last_closing then tickets.resolution_seconds end as resolution_seconds,
        case
            when flows.opened_count + flows.reopened_count + flows.own_reopened_count + flows.closed_count > 0 then 1
            else 0
        end as activity
    from flows
    inner join tickets
        on
            flows.connection_id = tickets.connection_id
            and flows.ticket_id = tickets.ticket_id

),

days as (

    select
        connection_id,
        ticket_id,
        happened_on,
        category,
        priority,
        assignee_user_id,
        cast(sum(opened_count) as bigint) as opened_count,
        cast(sum(reopened_count) as bigint) as reopened_count,
        cast(sum(own_reopened_count) as bigint) as own_reopened_count,
        cast(sum(closed_count) as bigint) as closed_count,
        cast(sum(moved_in_count) as bigint) as moved_in_count,
        cast(sum(moved_out_count) as bigint) as moved_out_count,
        cast(sum(unobserved_change) as bigint) as unobserved_change,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        max(first_reply_seconds) as first_reply_seconds,
        count(wait_seconds) as timed_answer_count,
        cast(coalesce(sum(wait_seconds), 0) as bigint) as answer_seconds_sum,
        max(resolution_seconds) as resolution_seconds,
        max(activity) = 1 as is_active
    from figures
    group by connection_id, ticket_id, happened_on, category, priority, assignee_user_id

),

told_days as (

    select
        days.*,
        tickets.customer_id,
        tickets.is_conversation_known,
        case when days.opened_count > 0 then tickets.is_answered end as cohort_is_answered,
        case when days.opened_count > 0 then tickets.is_closed end as cohort_is_closed,
        case when days.opened_count > 0 then tickets.first_reply_seconds end as cohort_first_reply_seconds,
        case when days.opened_count > 0 then tickets.resolution_seconds end as cohort_resolution_seconds
    from days
    inner join tickets
        on
            days.connection_id = tickets.connection_id
            and days.ticket_id = tickets.ticket_id

)

select
    *,
    {{ hash_of([
        'ticket_id', 'opened_count', 'reopened_count', 'own_reopened_count', 'closed_count', 'moved_in_count',
        'moved_out_count', 'unobserved_change', 'customer_message_count', 'agent_reply_count', 'first_reply_seconds',
        'timed_answer_count', 'answer_seconds_sum', 'resolution_seconds', 'is_active', 'is_conversation_known',
        'cohort_is_answered', 'cohort_is_closed', 'cohort_first_reply_seconds', 'cohort_resolution_seconds',
        'happened_on', 'category', 'priority', 'assignee_user_id', 'customer_id',
    ]) }} as row_hash
from told_days
