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
        category_name
    from {{ ref('stg_unified__categories') }}

),

category_names as (

    select * from {{ ref('int_categories_by_name') }}

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
