with categories as (

    select
        connection_id,
        category_id,
        category_name
    from {{ ref('stg_unified__categories') }}

),

category_names as (

    select * from {{ ref('int_categories_by_name') }}

),

stated_categories as (

    select distinct
        connection_id,
        category
    from {{ ref('int_ticket_states') }}
    where category is not null

)

select
    stated_categories.connection_id,
    stated_categories.category,
    coalesce(categories.category_name, category_names.category_name, stated_categories.category) as category_name
from stated_categories
left join categories
    on
        stated_categories.connection_id = categories.connection_id
        and stated_categories.category = categories.category_id
left join category_names
    on
        stated_categories.connection_id = category_names.connection_id
        and {{ comparable_text('stated_categories.category') }} = category_names.comparable_name
