-- The sums of the turns, by side; unknown where one that has ended has no time.
with turns as (

    select
        connection_id,
        ticket_id,
        sum(case when side = 'customer' then wait_seconds else 0 end) as us_seconds,
        sum(case when side = 'customer' then wait_business_seconds else 0 end) as us_business_seconds,
        sum(case when side = 'agent' then wait_seconds else 0 end) as customer_seconds,
        max(case when not is_open and end_reason <> 'after_closing' and wait_seconds is null then 1 else 0 end) as is_untold
    from {{ ref('conversation_turns') }}
    group by connection_id, ticket_id

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.waiting_on_us_seconds,
    turns.us_seconds,
    tickets.waiting_on_customer_seconds,
    turns.customer_seconds
from {{ ref('tickets') }} as tickets
left join turns
    on
        tickets.connection_id = turns.connection_id
        and tickets.ticket_id = turns.ticket_id
where
    tickets.is_conversation_known
    and (
        (tickets.waiting_on_us_seconds is null or tickets.waiting_on_customer_seconds is null)
        <> (coalesce(turns.is_untold, 0) = 1)
        or tickets.waiting_on_us_seconds <> coalesce(turns.us_seconds, 0)
        or tickets.waiting_on_us_business_seconds <> coalesce(turns.us_business_seconds, 0)
        or tickets.waiting_on_customer_seconds <> coalesce(turns.customer_seconds, 0)
    )
