with categories as (

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
        min(category_name) as category_name
    from categories
    where category_name is not null and not is_deleted
    group by connection_id, {{ comparable_text('category_name') }}
    having count(*) = 1

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
