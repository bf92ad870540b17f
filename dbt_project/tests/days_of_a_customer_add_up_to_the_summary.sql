-- The summary counts spam and merged tickets, and messages without a time, which no day has.
with left_out_tickets as (

    select
        tickets.connection_id,
        tickets.customer_id,
        count(*) as ticket_count,
        count(case when not tickets.is_closed then 1 end) as open_ticket_count
    from {{ ref('tickets') }} as tickets
    left join {{ ref('int_ticket_states') }} as states
        on
            tickets.connection_id = states.connection_id
            and tickets.ticket_id = states.ticket_id
            and states.state_number = 1
    where not tickets.is_deleted and states.ticket_id is null
    group by tickets.connection_id, tickets.customer_id

),

left_out_messages as (

    select
        tickets.connection_id,
        tickets.customer_id,
        count(case when messages.side = 'customer' then 1 end) as customer_message_count,
        count(case when messages.is_agent_reply then 1 end) as agent_reply_count
    from {{ ref('tickets') }} as tickets
    inner join {{ ref('conversation_messages') }} as messages
        on
            tickets.connection_id = messages.connection_id
            and tickets.ticket_id = messages.ticket_id
            and messages.sent_at is null
    where tickets.is_conversation_known
    group by tickets.connection_id, tickets.customer_id

),

days as (

    select
        *,
        row_number() over (partition by connection_id, customer_id order by day_on desc) as number_from_last
    from {{ ref('customer_support_daily') }}

),

customers as (

    select
        connection_id,
        customer_id,
        sum(opened_count) as ticket_count,
        sum(case when number_from_last = 1 then open_ticket_count end) as open_ticket_count,
        sum(customer_message_count) as customer_message_count,
        sum(agent_reply_count) as agent_reply_count
    from days
    group by connection_id, customer_id

)

select
    summary.connection_id,
    summary.customer_id,
    summary.ticket_count,
    summary.open_ticket_count,
    summary.customer_message_count,
    summary.agent_reply_count,
    customers.ticket_count as daily_ticket_count,
    customers.open_ticket_count as daily_open_ticket_count,
    customers.customer_message_count as daily_customer_message_count,
    customers.agent_reply_count as daily_agent_reply_count
from {{ ref('customer_support_summary') }} as summary
left join customers
    on
        summary.connection_id = customers.connection_id
        and summary.customer_id = customers.customer_id
left join left_out_tickets
    on
        summary.connection_id = left_out_tickets.connection_id
        and summary.customer_id = left_out_tickets.customer_id
left join left_out_messages
    on
        summary.connection_id = left_out_messages.connection_id
        and summary.customer_id = left_out_messages.customer_id
where
    summary.ticket_count <> coalesce(customers.ticket_count, 0) + coalesce(left_out_tickets.ticket_count, 0)
    or summary.open_ticket_count
    <> coalesce(customers.open_ticket_count, 0) + coalesce(left_out_tickets.open_ticket_count, 0)
    or coalesce(summary.customer_message_count, 0)
    <> coalesce(customers.customer_message_count, 0) + coalesce(left_out_messages.customer_message_count, 0)
    or coalesce(summary.agent_reply_count, 0)
    <> coalesce(customers.agent_reply_count, 0) + coalesce(left_out_messages.agent_reply_count, 0)
