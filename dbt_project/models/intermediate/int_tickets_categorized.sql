with tickets as (

    select
        connection_id,
        ticket_id,
        category_id,
        category_text
    from {{ ref('stg_unified__tickets') }}

),

categories as (

    select
        connection_id,
        category_id,
        category_name,
        is_deleted
    from {{ ref('stg_unified__categories') }}

),

category_names as (

    select
        connection_id,
        {{ comparable_text('category_name') }} as comparable_name,
        min(category_id) as category_id,
        min(category_name) as category_name
    from categories
    where category_name is not null and not is_deleted
    group by connection_id, {{ comparable_text('category_name') }}
    having count(*) = 1

)

select
    tickets.connection_id,
    tickets.ticket_id,
    coalesce(tickets.category_id, category_names.category_id) as category_id,
    coalesce(categories.category_name, category_names.category_name, tickets.category_text) as category_name
from tickets
left join categories
    on
        tickets.connection_id = categories.connection_id
        and tickets.category_id = categories.category_id
left join category_names
    on
        tickets.connection_id = category_names.connection_id
        and tickets.category_id is null
        and {{ comparable_text('tickets.category_text') }} = category_names.comparable_name
