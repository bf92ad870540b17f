with tickets as (

    select
        connection_id,
        ticket_id,
        customer_id,
        is_conversation_known,
        first_replied_at,
        first_reply_seconds
    from {{ ref('tickets') }}
    where customer_id is not null and not is_deleted and kind not in ('spam', 'merged')

),

connections as (

    select
        connection_id,
        integration_type,
        data_as_of,
        {{ last_counted_day('data_as_of') }} as last_counted_on
    from {{ ref('int_connections_covered') }}

),

moments as (

    select
        messages.connection_id,
        messages.ticket_id,
        messages.sent_at as happened_at,
        case when messages.side = 'customer' then 1 else 0 end as customer_message_count,
        case when messages.is_agent_reply then 1 else 0 end as agent_reply_count,
        cast(null as bigint) as first_reply_seconds
    from {{ ref('conversation_messages') }} as messages
    where messages.sent_at is not null and (messages.side = 'customer' or messages.is_agent_reply)
    union all
    select
        connection_id,
        ticket_id,
        first_replied_at as happened_at,
        0 as customer_message_count,
        0 as agent_reply_count,
        first_reply_seconds
    from tickets
    where first_reply_seconds is not null

),

figures as (

    select
        flows.connection_id,
        flows.customer_id,
        flows.day_on,
        flows.opened_count,
        flows.reopened_count,
        flows.closed_count,
        0 as customer_message_count,
        0 as agent_reply_count,
        cast(null as bigint) as first_reply_seconds,
        tickets.is_conversation_known
    from {{ ref('int_ticket_flows') }} as flows
    inner join tickets
        on
            flows.connection_id = tickets.connection_id
            and flows.ticket_id = tickets.ticket_id
    where flows.opened_count + flows.reopened_count + flows.closed_count > 0
    union all
    select
        tickets.connection_id,
        tickets.customer_id,
        {{ counted_day('moments.happened_at', 'connections.last_counted_on') }} as day_on,
        0 as opened_count,
        0 as reopened_count,
        0 as closed_count,
        moments.customer_message_count,
        moments.agent_reply_count,
        moments.first_reply_seconds,
        true as is_conversation_known
    from moments
    inner join tickets
        on
            moments.connection_id = tickets.connection_id
            and moments.ticket_id = tickets.ticket_id
            and tickets.is_conversation_known
    inner join connections
        on moments.connection_id = connections.connection_id

),

days as (

    select
        connection_id,
        customer_id,
        day_on,
        cast(sum(opened_count) as bigint) as opened_count,
        cast(sum(reopened_count) as bigint) as reopened_count,
        cast(sum(closed_count) as bigint) as closed_count,
        max(case when is_conversation_known then 1 else 0 end) = 1 as is_conversation_known,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        count(first_reply_seconds) as first_reply_count,
        cast(coalesce(sum(first_reply_seconds), 0) as bigint) as first_reply_seconds_sum
    from figures
    group by connection_id, customer_id, day_on

)

select
    days.connection_id,
    days.customer_id,
    days.day_on,
    connections.integration_type,
    days.opened_count,
    days.reopened_count,
    days.closed_count,
    case when days.is_conversation_known then days.customer_message_count end as customer_message_count,
    case when days.is_conversation_known then days.agent_reply_count end as agent_reply_count,
    case when days.is_conversation_known then days.first_reply_count end as first_reply_count,
    case when days.is_conversation_known then days.first_reply_seconds_sum end as first_reply_seconds_sum,
    cast(
        sum(days.opened_count + days.reopened_count - days.closed_count) over (
            partition by days.connection_id, days.customer_id order by days.day_on
        ) as bigint
    ) as open_ticket_count,
    coalesce(days.day_on < {{ local_day('connections.data_as_of') }}, false) as is_day_over,
    connections.data_as_of
from days
left join connections
    on days.connection_id = connections.connection_id
