-- Open, closed, waiting and answered tickets, messages and replies of the customers are those of the tickets that name one.
with by_customer as (

    select
        sum(open_ticket_count) as open_ticket_count,
        sum(closed_ticket_count) as closed_ticket_count,
        sum(waiting_on_us_ticket_count) as waiting_ticket_count,
        sum(answered_ticket_count) as answered_ticket_count,
        sum(customer_message_count) as customer_message_count,
        sum(agent_reply_count) as agent_reply_count
    from {{ ref('customer_support_summary') }}

),

by_ticket as (

    select
        sum(case when status <> 'closed' then 1 else 0 end) as open_ticket_count,
        sum(case when status = 'closed' then 1 else 0 end) as closed_ticket_count,
        sum(case when waiting_on = 'us' then 1 else 0 end) as waiting_ticket_count,
        sum(case when agent_reply_count > 0 then 1 else 0 end) as answered_ticket_count,
        sum(customer_message_count) as customer_message_count,
        sum(agent_reply_count) as agent_reply_count
    from {{ ref('tickets') }}
    where customer_id is not null and not is_deleted

)

select
    by_customer.*,
    by_ticket.*
from by_customer
cross join by_ticket
where
    coalesce(by_customer.open_ticket_count, 0) <> coalesce(by_ticket.open_ticket_count, 0)
    or coalesce(by_customer.closed_ticket_count, 0) <> coalesce(by_ticket.closed_ticket_count, 0)
    or coalesce(by_customer.waiting_ticket_count, 0) <> coalesce(by_ticket.waiting_ticket_count, 0)
    or coalesce(by_customer.answered_ticket_count, 0) <> coalesce(by_ticket.answered_ticket_count, 0)
    or coalesce(by_customer.customer_message_count, 0) <> coalesce(by_ticket.customer_message_count, 0)
    or coalesce(by_customer.agent_reply_count, 0) <> coalesce(by_ticket.agent_reply_count, 0)
