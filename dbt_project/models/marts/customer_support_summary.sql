with customers as (

    select * from {{ ref('stg_unified__customers') }}

),

connections as (

    select
        connection_id,
        integration_type
    from {{ ref('stg_unified__connections') }}

),

tickets as (

    select * from {{ ref('tickets') }}
    where customer_id is not null and not is_deleted

),

ticket_figures as (

    select
        connection_id,
        customer_id,
        count(*) as ticket_count,
        cast(sum(case when is_closed then 0 else 1 end) as bigint) as open_ticket_count,
        cast(sum(case when is_closed then 1 else 0 end) as bigint) as closed_ticket_count,
        cast(sum(case when is_conversation_known then 1 else 0 end) as bigint) as known_conversation_ticket_count,
        cast(
            sum(
                case
                    when waiting_on = 'us' then 1
                    when is_conversation_known and waiting_on <> 'unknown' then 0
                end
            ) as bigint
        ) as waiting_on_us_ticket_count,
        cast(sum(cast(is_answered as integer)) as bigint) as answered_ticket_count,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        min(opened_at) as first_ticket_opened_at,
        max(opened_at) as last_ticket_opened_at,
        min(first_contact_at) as first_contact_at,
        max(last_contact_at) as last_contact_at,
        max(last_customer_message_at) as last_customer_message_at,
        min(case when waiting_on = 'us' then waiting_since_at end) as waiting_on_us_since_at,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        {{ median_seconds("case when kind not in ('spam', 'merged') then resolution_seconds end") }}
            as median_resolution_seconds
    from tickets
    group by connection_id, customer_id

),

customer_keys as (

    select
        connection_id,
        customer_id
    from customers
    union
    select
        connection_id,
        customer_id
    from ticket_figures

)

select
    customer_keys.connection_id,
    customer_keys.customer_id,
    connections.integration_type,
    customers.customer_name,
    customers.email,
    customers.telephone,
    customers.created_at as customer_created_at,
    coalesce(ticket_figures.ticket_count, 0) as ticket_count,
    coalesce(ticket_figures.open_ticket_count, 0) as open_ticket_count,
    coalesce(ticket_figures.closed_ticket_count, 0) as closed_ticket_count,
    coalesce(ticket_figures.known_conversation_ticket_count, 0) as known_conversation_ticket_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.waiting_on_us_ticket_count end
        as waiting_on_us_ticket_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.answered_ticket_count end
        as answered_ticket_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.customer_message_count end
        as customer_message_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.agent_reply_count end
        as agent_reply_count,
    ticket_figures.first_ticket_opened_at,
    ticket_figures.last_ticket_opened_at,
    ticket_figures.first_contact_at,
    ticket_figures.last_contact_at,
    ticket_figures.last_customer_message_at,
    ticket_figures.waiting_on_us_since_at,
    ticket_figures.median_first_reply_seconds,
    ticket_figures.median_resolution_seconds,
    customers.customer_id is not null as is_known,
    coalesce(customers.is_deleted, false) as is_deleted
from customer_keys
left join customers
    on
        customer_keys.connection_id = customers.connection_id
        and customer_keys.customer_id = customers.customer_id
left join connections
    on customer_keys.connection_id = connections.connection_id
left join ticket_figures
    on
        customer_keys.connection_id = ticket_figures.connection_id
        and customer_keys.customer_id = ticket_figures.customer_id
