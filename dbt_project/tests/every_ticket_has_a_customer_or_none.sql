-- The customers' tickets, those without a customer and the deleted ones make up all tickets.
with sides as (

    select
        (select count(*) from {{ ref('tickets') }}) as ticket_count,
        (select coalesce(sum(ticket_count), 0) from {{ ref('customer_support_summary') }}) as customer_ticket_count,
        (
            select count(*) from {{ ref('tickets') }}
            where customer_id is null and not is_deleted
        ) as ticket_without_customer_count,
        (select count(*) from {{ ref('tickets') }} where is_deleted) as deleted_ticket_count

)

select *
from sides
where ticket_count <> customer_ticket_count + ticket_without_customer_count + deleted_ticket_count
